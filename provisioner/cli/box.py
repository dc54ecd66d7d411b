"""The commands box build, box list and box package.

In: the command line.  Out: paths and a table on standard output.  The work is done in machines/box/.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.options import AsJson, LabFile, load
from provisioner.errors import IsolationError

app = typer.Typer(no_args_is_help=True, help="Build and list boxes: the disk images that machines boot.")

BoxName = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="a recipe; default: the boxes of the lab's machines")
]
Bake = Annotated[
    list[str] | None,
    typer.Option(metavar="ROLES", help="roles, separated by commas, to install in the box; only with NAME"),
]


@app.command()
def build(name: BoxName = None, bake: Bake = None, lab: LabFile = None) -> None:
    """Build boxes that are not built yet, and print the folder of each box."""
    from provisioner.machines.box.build import build_box

    for box, packages in _wanted(name, bake, lab):
        typer.echo(str(build_box(box, packages).directory))


@app.command()
def package(name: BoxName = None, bake: Bake = None, lab: LabFile = None) -> None:
    """Pack boxes into files for `vagrant box add`, and print the path of each file."""
    from provisioner.machines.box.build import build_box, package_box

    for box, packages in _wanted(name, bake, lab):
        typer.echo(str(package_box(build_box(box, packages))))


@app.command("list")
def list_boxes(lab: LabFile = None, as_json: AsJson = False) -> None:
    """List the built boxes, their baked roles, and the lab's machines that boot them."""
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
    """Return the chosen boxes, each as its recipe's name and the packages to bake in."""
    from provisioner.machines.box.recipe import recipe_names
    from provisioner.machines.find import baked_packages, role_packages

    roles = [role for part in bake or [] for role in part.split(",") if role]
    if name is not None:
        return [(name, role_packages(roles))]
    if roles:
        raise IsolationError("cannot bake roles into the lab's boxes", "name a box, or write `bake:` into lab.yaml")
    specs = [spec for spec in load(lab).machines.values() if spec.box in recipe_names()]
    wanted = dict.fromkeys((spec.box, tuple(sorted(baked_packages(spec)))) for spec in specs)
    return [(box, list(packages)) for box, packages in wanted]
