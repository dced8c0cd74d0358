"""The command `adlopt`."""

from adlopt.cli import solving, rules, records  # isort: skip  (each registers its subcommands: the order of the help)
from adlopt.cli.command import BAD_INPUT, FAILED, INFEASIBLE, NOT_PROVEN, app

__all__ = ["BAD_INPUT", "FAILED", "INFEASIBLE", "NOT_PROVEN", "app", "main", "records", "rules", "solving"]


def main() -> None:
    """The entry point."""
    app()
