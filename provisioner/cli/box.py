"""The commands for boxes: box build, box list, box package.

In: the command line.  Out: paths and a table on standard output.  Called by cli.py, which takes `app`.  What a box is
made of and how is in machines/box.py.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.options import AsJson, LabFile, load
from provisioner.errors import IsolationError

app = typer.Typer(no_args_is_help=True, help="What machines boot: made on this host, once for each recipe.")

BoxName = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="a recipe; what the lab's machines boot when left out")
]
Bake = Annotated[
    list[str] | None,
    typer.Option(metavar="ROLES", help="roles, with commas between, whose packages lie in it; only with NAME"),
]


@app.command()
def build(name: BoxName = None, bake: Bake = None, lab: LabFile = None) -> None:
    """Build boxes, or find those that were built, and print the folder of each."""
    from provisioner.machines.box.build import build_box

    for box, packages in _wanted(name, bake, lab):
        typer.echo(str(build_box(box, packages).directory))


@app.command()
def package(name: BoxName = None, bake: Bake = None, lab: LabFile = None) -> None:
    """Pack boxes into files that `vagrant box add` takes, and print the path of each."""
    from provisioner.machines.box.build import build_box, package_box

    for box, packages in _wanted(name, bake, lab):
        typer.echo(str(package_box(build_box(box, packages))))


@app.command("list")
def list_boxes(lab: LabFile = None, as_json: AsJson = False) -> None:
    """Show which boxes are built, what is in them, and which machines of the lab boot them."""
    from provisioner.cli.table import print_table
    from provisioner.machines.box.inventory import list_boxes as read_boxes

    boxes = read_boxes(load(lab))
    if as_json:
        typer.echo(json.dumps([asdict(box) for box in boxes], indent=1))
        return
    print_table(("box", "hash", "size", "baked", "machines"), [box.cells() for box in boxes])
    if any(not box.hash for box in boxes):
        typer.echo("next: provisioner box build")


def _wanted(name: str | None, bake: list[str] | None, lab: Path | None) -> list[tuple[str, list[str]]]:
    """Return the boxes that are meant, each as its recipe and the packages baked in."""
    from provisioner.machines.box.recipe import recipe_names
    from provisioner.machines.find import baked_packages, packages_of

    roles = [role for part in bake or [] for role in part.split(",") if role]
    if name is not None:
        return [(name, packages_of(roles))]
    if roles:
        raise IsolationError("cannot bake roles into the lab's boxes", "name a box, or write `bake:` into lab.yaml")
    ours = [spec for spec in load(lab).machines.values() if spec.box in recipe_names()]
    wanted = dict.fromkeys((spec.box, tuple(sorted(baked_packages(spec)))) for spec in ours)
    return [(box, list(packages)) for box, packages in wanted]
