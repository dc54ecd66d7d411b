"""The commands for the machines of a lab: up, status, down.

In: the command line.  Out: tables and lines on standard output, one line on standard error for each machine that
failed, and the exit status.  Called by cli.py, which `add_to` gives the commands.  What they do with a machine is in
machines/verbs.py and machines/kept.py; here it is said for which machines, and shown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.cli.options import AsJson, Jobs, LabFile, Names, choose, complain, each, load, need_extra
from provisioner.errors import IsolationError

if TYPE_CHECKING:
    from provisioner.machines.lab import Lab
    from provisioner.machines.operations import Up


def add_to(app: typer.Typer) -> None:
    """Give the commands to a command line."""
    for command in (up, status, down):
        app.command()(command)
    app.command("vagrant-json", hidden=True)(vagrant_json)


def up(
    names: Names = None,
    lab: LabFile = None,
    apply: Annotated[bool, typer.Option(help="bring it to what its roles want; --no-apply boots its disk only")] = True,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """
    Have machines run as their roles want them, and keep them running.

    A box is built where there is none. A machine is restored where it was frozen before, else booted, converged and
    frozen. What fails or is interrupted is stopped again.
    """
    from provisioner.machines.parallel import default_jobs, interruptible

    found = load(lab)
    chosen = choose(found, names)
    need_extra("bring machines up")
    jobs = jobs or default_jobs()
    with interruptible():
        if len(chosen) == 1 or jobs == 1:
            rows = [_up_here(found, name, apply) for name in chosen]
        else:
            rows = _up_side_by_side(found, chosen, apply, jobs)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        _show_up(rows, lab)
    if any(row.why for row in rows):
        raise typer.Exit(1)


def _up_here(lab: Lab, name: str, apply: bool) -> Up:
    from provisioner.journal.run import Run
    from provisioner.machines.operations import Up, bring_up

    started = time.monotonic()
    try:
        with Run.start() as run:
            return bring_up(lab, name, run, apply)
    except IsolationError as error:
        complain(error)
        return Up(name, "failed", seconds=round(time.monotonic() - started, 1), why=error.what)


def _up_side_by_side(lab: Lab, names: Sequence[str], apply: bool, jobs: int) -> list[Up]:
    from provisioner.machines.operations import Up
    from provisioner.machines.parallel import run_side_by_side

    options = ["--json", "--lab", str(lab.path), *([] if apply else ["--no-apply"])]
    rows = []
    for name, ended in zip(names, run_side_by_side([["up", name, *options] for name in names], jobs), strict=True):
        try:
            rows.append(Up(**json.loads(ended.output)[0]))
        except (ValueError, TypeError, LookupError):
            error = IsolationError(f"cannot bring up machine '{name}': its process ended with status {ended.status}")
            complain(error)
            rows.append(Up(name, "failed", why=error.what))
    return rows


def _show_up(rows: Sequence[Up], file: Path | None) -> None:
    from provisioner.cli.table import print_table

    cells = [(row.machine, row.state, row.how, f"{row.seconds:.1f}", row.address) for row in rows]
    print_table(("machine", "state", "how", "seconds", "address"), cells)
    running = [row.machine for row in rows if row.state == "running"]
    if running:
        pytest, ssh = ["pytest", "--isolation=vm"], ["provisioner", "ssh"]
        if file is not None:
            pytest.append(f"--isolation-lab={file}")
            ssh.append(f"--lab={file}")
        pytest.append(f"--isolation-machine={','.join(running)}")
        typer.echo(f"next: {join(pytest)}, or {join([*ssh, running[0]])}")


def status(names: Names = None, lab: LabFile = None, as_json: AsJson = False) -> None:
    """Say how each machine of the lab is; nothing is asked over SSH."""
    from provisioner.cli.table import print_table
    from provisioner.machines.status import read_overview

    found = load(lab)
    rows = read_overview(found, names or None)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=1))
        return
    headings = ("machine", "provider", "box", "status", "snapshots", "roles", "memory")
    print_table(headings, [row.cells() for row in rows])
    for row in rows:
        if row.note:
            typer.echo(f"{row.machine}: {row.note}")
    typer.echo(f"lab: {found.path}, kept in {found.directory}")


def down(
    names: Names = None,
    lab: LabFile = None,
    destroy: Annotated[bool, typer.Option("--destroy", help="their disks and snapshots go too")] = False,
) -> None:
    """Stop machines; what is on their disks, and their snapshots, stay."""
    from provisioner.journal.run import Run, prune
    from provisioner.machines.find import find_orphans
    from provisioner.machines.parallel import interruptible
    from provisioner.machines.usage import take_down

    found = load(lab)
    chosen = names or list(dict.fromkeys([*found.machines, *(spec.name for spec in find_orphans(found))]))

    def one(name: str) -> None:
        with Run.start() as run:
            done = take_down(found, name, run, destroy)
        said = ("destroyed" if destroy else "stopped") if done else "was not " + ("there" if destroy else "running")
        typer.echo(f"{name}: {said}")

    with interruptible():
        prune()
        each(list(dict.fromkeys(chosen)), one)


def vagrant_json(lab: LabFile = None) -> None:
    """Print the lab's machines as the JSON that the Vagrantfile reads when Vagrant is called by hand."""
    from provisioner.machines.vagrant.lab_file import render_by_hand

    typer.echo(render_by_hand(load(lab)))
