"""`--version` of both commands: the distribution that is installed, and the Python that runs it.

In: a Typer app and the command's name.  Out: one line on standard output, and the end of the command.
"""

from __future__ import annotations

import platform
from importlib.metadata import version

import typer

DISTRIBUTION = "pytest-isolation"


def add_version(app: typer.Typer, command: str) -> None:
    """Give `app` an option --version that prints `COMMAND VERSION (Python VERSION)` and ends with status 0."""

    def show(asked: bool) -> None:
        if asked:
            typer.echo(f"{command} {version(DISTRIBUTION)} (Python {platform.python_version()})")
            raise typer.Exit

    # as a default, not in the annotation: that would be evaluated where `show` is not known
    asked = typer.Option(False, "--version", callback=show, is_eager=True, help="Show the version, and end.")

    @app.callback()
    def _options(version: bool = asked) -> None: ...
