"""The command `adlopt`."""

# isort: skip  (each registers its subcommands: the order of the help)
from adlopt.cli import (  # noqa: I001
    solve_commands,
    policy_commands,
    proof_commands,
    simulate_commands,
    convert,
    explorer_command,
)
from adlopt.cli.command import BAD_INPUT, FAILED, INFEASIBLE, NOT_PROVEN, app

__all__ = [
    "BAD_INPUT",
    "FAILED",
    "INFEASIBLE",
    "NOT_PROVEN",
    "app",
    "convert",
    "explorer_command",
    "main",
    "policy_commands",
    "proof_commands",
    "simulate_commands",
    "solve_commands",
]


def main() -> None:
    """The entry point."""
    app()
