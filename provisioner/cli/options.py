"""Options and helpers that the lab's commands share: which lab, which machines, and what a failure does.

In: options.  Out: a `Lab`, machines' names, errors on standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.errors import IsolationError
from provisioner.interrupt.program import interrupted

if TYPE_CHECKING:
    from provisioner.machines.lab import Lab

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAMES]...", help="machines; default: all of the lab")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="a machine of the lab")]
LabFile = Annotated[
    Path | None,
    typer.Option(
        "--lab", metavar="FILE", help="a lab.yaml; default: the nearest in this folder or above, else the packaged one"
    ),
]
Jobs = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="machines at the same time; default: half the processors")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def each(names: Sequence[str], operation: Callable[[str], None]) -> None:
    """
    Call an operation for each machine; after an error go on with the next machine, unless a signal ends the program.

    Args:
        names: the machines' names.
        operation: called with a name.

    Raises:
        typer.Exit: with status 1 at the end, if the operation failed for a machine.
    """
    failed = False
    for name in names:
        try:
            operation(name)
        except IsolationError as error:
            print_error(error)
            failed = True
            if interrupted():
                break
    if failed:
        raise typer.Exit(1)


def print_error(error: IsolationError) -> None:
    """Print an error as one line on standard error."""
    typer.echo(f"provisioner: {error}", err=True)


def load(file: Path | None) -> Lab:
    """Load the lab of the option --lab."""
    from provisioner.machines.lab import load_lab

    return load_lab(file)


def choose(lab: Lab, names: Sequence[str] | None) -> list[str]:
    """Return the names of the chosen machines, each once; an unknown name raises before anything is done."""
    return [lab.machine(name).name for name in dict.fromkeys(names or lab.machines)]


def need_extra(doing: str, *modules: str) -> None:
    """
    Raise IsolationError unless the extra [lab] is installed.

    Args:
        doing: what needs it, for the error.
        modules: the needed modules in addition to fabric.
    """
    missing = [name for name in ("fabric", *modules) if find_spec(name) is None]
    if missing:
        raise IsolationError(
            f"cannot {doing}: {missing[0]} is not installed", hint="pip install 'pytest-isolation[lab]'"
        )
