"""Which version this is, and `--version` of both commands.

In: a Typer app and the command's name.  Out: one line on standard output, and the end of the command.  Called by both
commands, the doctor and whoever writes results; Typer is imported only for the option.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def own_version() -> str:
    """Return the version of the distribution that is installed; "unknown" where none is."""
    try:
        return version("pytest-isolation")
    except PackageNotFoundError:
        return "unknown"


def add_version(app: typer.Typer, command: str) -> None:
    """Give `app` an option --version that prints `COMMAND VERSION (Python VERSION)` and ends with status 0."""
    import typer

    def show(asked: bool) -> None:
        if asked:
            typer.echo(f"{command} {own_version()} (Python {platform.python_version()})")
            raise typer.Exit

    # as a default, not in the annotation: that would be evaluated where `show` is not known
    asked = typer.Option(False, "--version", callback=show, is_eager=True, help="Show the version, and end.")

    @app.callback()
    def _options(version: bool = asked) -> None: ...
