"""The version of this distribution, and the options of both commands: `--version`, `--timeout-scale`.

Typer is imported only when the option is added.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

SCALE = "--timeout-scale"
SCALE_VARIABLE = "PYTEST_ISOLATION_TIMEOUT_SCALE"  # as in deadlines.py, which is beside this module


def own_version() -> str:
    """Return the version of the installed distribution, "unknown" if there is none."""
    try:
        return version("pytest-isolation")
    except PackageNotFoundError:
        return "unknown"


def add_version(app: typer.Typer, command: str, before: Callable[[str], None] | None = None) -> None:
    """
    Add the options of all commands to a Typer app.

    --version prints `COMMAND VERSION (Python VERSION)` and exits with 0; --timeout-scale N multiplies every deadline.

    Args:
        app: the app.
        command: its name.
        before: called with the name of a subcommand before it runs.
    """
    import typer
    from typer.core import TyperGroup

    class Group(TyperGroup):
        """Takes --timeout-scale behind the name of a command too."""

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            return super().parse_args(ctx, scale_first(args))

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, found, rest = super().resolve_command(ctx, args)
            if before is not None and name is not None and "--help" not in rest:
                before(name)
            return name, found, rest

    def show(asked: bool) -> None:
        if asked:
            typer.echo(f"{command} {own_version()} (Python {platform.python_version()})")
            raise typer.Exit

    # as a default: an annotation is evaluated where `show` is not defined
    asked = typer.Option(False, "--version", callback=show, is_eager=True, help="Show the version and exit.")

    scale = typer.Option(
        None, SCALE, metavar="N", min=0.001, max=1000, help="Multiply every deadline, on a slow machine; default: 1."
    )

    @app.callback(cls=Group)
    def _options(version: bool = asked, timeout_scale: float | None = scale) -> None:
        if timeout_scale is not None:
            os.environ[SCALE_VARIABLE] = f"{timeout_scale:g}"  # for deadlines, and for children


def scale_first(args: Sequence[str]) -> list[str]:
    """Return a command line with the option --timeout-scale at its beginning; what follows `--` stays."""
    before = list(args[: args.index("--")]) if "--" in args else list(args)
    rest = list(args[len(before) :])
    for at, word in enumerate(before):
        if word == SCALE or word.startswith(f"{SCALE}="):
            size = 2 if word == SCALE else 1
            return [*before[at : at + size], *before[:at], *before[at + size :], *rest]
    return list(args)
