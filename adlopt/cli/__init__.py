"""The command `adlopt`."""

# isort: skip  (each registers its subcommands: the order of the help)
from adlopt.cli import convert as records
from adlopt.cli import explorer_command
from adlopt.cli import policy_commands as rules
from adlopt.cli import proof_commands as proving
from adlopt.cli import solve_commands as solving
from adlopt.cli.command import BAD_INPUT, FAILED, INFEASIBLE, NOT_PROVEN, app

__all__ = [
    "BAD_INPUT",
    "FAILED",
    "INFEASIBLE",
    "NOT_PROVEN",
    "app",
    "explorer_command",
    "main",
    "proving",
    "records",
    "rules",
    "solving",
]


def main() -> None:
    """The entry point."""
    app()
