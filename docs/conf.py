"""Configuration of the documentation: `sphinx-build -W -b html docs docs/_build/html`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # generated_pages

import generated_pages  # noqa: E402

import adlopt  # noqa: E402

generated_pages.write(HERE)

project = "adlopt"
author = "The adlopt developers"
copyright = "2026, the adlopt developers"
version = release = adlopt.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinx-mathjax-offline",
    "glossary_links",
]
exclude_patterns = [
    "_build",
    "**/README.md",
    "gallery/recipes/*",
    "auto_gallery/*.ipynb",
    "sg_execution*",
    "auto_gallery/sg_*",
]
templates_path = ["_templates"]
nitpicky = False
suppress_warnings = ["config.cache", "mystnb.unknown_mime_type"]

# Prose
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath", "attrs_inline"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
math_number_all = False
math_eqref_format = "({number})"
numfig = False
nb_execution_mode = "off"  # the notebooks are committed with their outputs and executed by a test
nb_render_markdown_format = "myst"

# Reference
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings state them
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# Gallery: each recipe is executed; its picture needs no display.
sphinx_gallery_conf = {
    "examples_dirs": str(HERE / "gallery" / "recipes"),
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"plot_.*\.py",
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
    "min_reported_time": 1e9,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "capture_repr": ("_repr_html_",),  # what a recipe prints, not the reprs of axes
    "within_subsection_order": "FileNameSortKey",
}

# Pages. No page makes a request elsewhere: MathJax, fonts and search are part of the site.
html_theme = "pydata_sphinx_theme"
html_title = f"adlopt {version}"
html_static_path = ["_static"]
html_css_files = ["adlopt.css"]
html_show_sourcelink = False
html_copy_source = False
mathjax_path = "mathjax/tex-svg-full.js"
html_theme_options = {
    "navigation_with_keys": True,
    "show_prev_next": True,
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "show_toc_level": 2,
}
html_sidebars = {"index": []}
html_context = {"default_mode": "auto"}


def escape_bars(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Absolute values such as |x| are no substitutions of reStructuredText."""
    lines[:] = [line.replace("|", "\\|") for line in lines]


def setup(app: Any) -> None:
    """Docstrings are read as they are written for `help`."""
    app.connect("autodoc-process-docstring", escape_bars, priority=900)
