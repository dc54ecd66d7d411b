"""The version of this distribution, and the option `--version` of both commands.

Typer is imported only when the option is added.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def own_version() -> str:
    """Return the version of the installed distribution, "unknown" if there is none."""
    try:
        return version("pytest-isolation")
    except PackageNotFoundError:
        return "unknown"


def add_version(app: typer.Typer, command: str) -> None:
    """Add the option --version to a Typer app: it prints `COMMAND VERSION (Python VERSION)` and exits with 0."""
    import typer

    def show(asked: bool) -> None:
        if asked:
            typer.echo(f"{command} {own_version()} (Python {platform.python_version()})")
            raise typer.Exit

    # as a default: an annotation is evaluated where `show` is not defined
    asked = typer.Option(False, "--version", callback=show, is_eager=True, help="Show the version and exit.")

    @app.callback()
    def _options(version: bool = asked) -> None: ...
