"""The command itself, and how it fails: one line on standard error and an exit code."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup

from adlopt._internal.text import visible
from adlopt.errors import (
    AdlError,
    InfeasibleConstraints,
    InfeasibleLots,
    InfeasibleReduction,
    SolverFailed,
)

FAILED, BAD_INPUT, INFEASIBLE, NOT_PROVEN = 1, 2, 3, 4

# Typer brings its own click, or uses an installed one, by its version; either way this is click's
# UsageError.
USAGE_ERROR = cast(type[Exception], typer.BadParameter.__base__)


def exit_code(error: AdlError) -> int:
    """What a script sees of an error."""
    if isinstance(error, InfeasibleReduction | InfeasibleLots | InfeasibleConstraints):
        return INFEASIBLE
    return FAILED if isinstance(error, SolverFailed) else BAD_INPUT


class Commands(TyperGroup):
    """A group whose every failure is one line on standard error and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        try:
            # What was typed is kept for reports.
            typed = shlex.join(["adlopt", *(sys.argv[1:] if args is None else args)])
            code = super().main(
                args, prog_name, complete_var, False, windows_expand_args, **{"obj": typed, **extra}
            )
            return sys.exit(code) if standalone_mode else code
        except AdlError as error:
            fail(str(error), exit_code(error))
        except USAGE_ERROR as error:
            fail(error.format_message(), BAD_INPUT)  # type: ignore[attr-defined]
        except BrokenPipeError:  # the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(FAILED)


def fail(message: str, code: int) -> NoReturn:
    print("adlopt:", visible(" ".join(message.split())), file=sys.stderr)
    sys.exit(code)


app = typer.Typer(
    cls=Commands,
    help="Risk-based auto-deleveraging as convex optimization, with proven answers.",
    epilog="Exit codes: 0 fine, 1 solver failed, 2 bad input, 3 infeasible, 4 not proven optimal.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from adlopt import __version__

        print(f"adlopt {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(BAD_INPUT)
