"""One file that states a problem, shows the answer and proves it: HTML with pictures, or Markdown
for pull requests.
"""

from adlopt.report.content import build, write
from adlopt.report.document import to_html, to_markdown

__all__ = ["build", "to_html", "to_markdown", "write"]
