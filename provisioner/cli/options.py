"""What the commands of the lab have in common: which lab, which machines, and what happens when one of them fails.

In: options.  Out: a `Lab`, machines' names, lines on standard error.  Called by lab_cli.py, machine_cli.py, box_cli.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.errors import IsolationError

if TYPE_CHECKING:
    from provisioner.machines.lab import Lab

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAMES]...", help="machines; all of the lab when left out")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="a machine of the lab")]
LabFile = Annotated[
    Path | None,
    typer.Option("--lab", metavar="FILE", help="a lab.yaml; else the nearest upwards, else the packaged one"),
]
Jobs = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="how many machines at once; else one for each two processors")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def each(names: Sequence[str], one: Callable[[str], None]) -> None:
    """Do something with each machine; what fails with one does not keep it from the others, and is exit status 1."""
    failed = False
    for name in names:
        try:
            one(name)
        except IsolationError as error:
            complain(error)
            failed = True
    if failed:
        raise typer.Exit(1)


def complain(error: IsolationError) -> None:
    typer.echo(f"provisioner: {error}", err=True)


def load(file: Path | None) -> Lab:
    from provisioner.machines.lab import load_lab

    return load_lab(file)


def choose(lab: Lab, names: Sequence[str] | None) -> list[str]:
    """Return the machines meant, each once; an unknown one ends the command before anything is done."""
    return [lab.machine(name).name for name in dict.fromkeys(names or lab.machines)]


def need_extra(doing: str, *modules: str) -> None:
    """See that the extra [lab] is installed: machines are reached by what it brings."""
    missing = [name for name in ("fabric", *modules) if find_spec(name) is None]
    if missing:
        raise IsolationError(
            f"cannot {doing}: {missing[0]} is not installed", hint="pip install 'pytest-isolation[lab]'"
        )
