"""The commands up, status and down.

In: the command line.  Out: tables and lines on standard output, one line on standard error for each machine that
failed, and the exit status.  The work is done in machines/; here machines are chosen and results printed.
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

from provisioner.cli.options import AsJson, Jobs, LabFile, Names, choose, each, load, need_extra, print_error
from provisioner.errors import IsolationError

if TYPE_CHECKING:
    from provisioner.machines.lab import Lab
    from provisioner.machines.operations import UpResult


def add_to(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    for command in (up, status, down):
        app.command()(command)
    app.command("vagrant-json", hidden=True)(vagrant_json)


def up(
    names: Names = None,
    lab: LabFile = None,
    apply: Annotated[bool, typer.Option(help="converge to the roles; --no-apply only boots the disk")] = True,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """
    Start machines, converge them to their roles, and keep them running.

    A missing box is built. A machine with a converged snapshot is restored from it; otherwise it is booted and
    converged, and its snapshot is saved. A machine that fails or is interrupted is stopped again.
    """
    from provisioner.machines.parallel import default_jobs

    loaded = load(lab)
    chosen = choose(loaded, names)
    need_extra("start machines")
    jobs = jobs or default_jobs()
    if len(chosen) == 1 or jobs == 1:
        rows = [_up_one(loaded, name, apply) for name in chosen]
    else:
        rows = _up_parallel(loaded, chosen, apply, jobs)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        _show_up(rows, lab)
    if any(row.why for row in rows):
        raise typer.Exit(1)


def _up_one(lab: Lab, name: str, apply: bool) -> UpResult:
    from provisioner.journal.run import Run
    from provisioner.machines.operations import UpResult, bring_up

    started = time.monotonic()
    try:
        with Run.start() as run:
            return bring_up(lab, name, run, apply)
    except IsolationError as error:
        print_error(error)
        return UpResult(name, "failed", seconds=round(time.monotonic() - started, 1), why=error.what)


def _up_parallel(lab: Lab, names: Sequence[str], apply: bool, jobs: int) -> list[UpResult]:
    from provisioner.machines.operations import UpResult
    from provisioner.machines.parallel import run_parallel

    options = ["--json", "--lab", str(lab.path), *([] if apply else ["--no-apply"])]
    rows = []
    for name, result in zip(names, run_parallel([["up", name, *options] for name in names], jobs), strict=True):
        try:
            rows.append(UpResult(**json.loads(result.output)[0]))
        except (ValueError, TypeError, LookupError):
            error = IsolationError(f"cannot start machine '{name}': its process ended with status {result.status}")
            print_error(error)
            rows.append(UpResult(name, "failed", why=error.what))
    return rows


def _show_up(rows: Sequence[UpResult], file: Path | None) -> None:
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
    """Show the status of machines, without SSH."""
    from provisioner.cli.table import print_table
    from provisioner.machines.status import read_status

    loaded = load(lab)
    rows = read_status(loaded, names or None)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=1))
        return
    headings = ("machine", "provider", "box", "status", "snapshots", "roles", "memory")
    print_table(headings, [row.cells() for row in rows])
    for row in rows:
        if row.note:
            typer.echo(f"{row.machine}: {row.note}")
    typer.echo(f"lab: {loaded.path}, state in {loaded.directory}")


def down(
    names: Names = None,
    lab: LabFile = None,
    destroy: Annotated[bool, typer.Option("--destroy", help="delete their disks and snapshots too")] = False,
) -> None:
    """Stop machines; their disks and snapshots stay."""
    from provisioner.journal.needs import MACHINES
    from provisioner.journal.prune import prune
    from provisioner.journal.run import Run
    from provisioner.machines.find import find_orphans
    from provisioner.machines.usage import take_down

    loaded = load(lab)
    chosen = names or list(dict.fromkeys([*loaded.machines, *(spec.name for spec in find_orphans(loaded))]))

    def stop(name: str) -> None:
        with Run.start() as run:
            done = take_down(loaded, name, run, destroy)
        if destroy:
            typer.echo(f"{name}: {'destroyed' if done else 'did not exist'}")
        else:
            typer.echo(f"{name}: {'stopped' if done else 'was not running'}")

    prune(needs=MACHINES)
    each(list(dict.fromkeys(chosen)), stop)


def vagrant_json(lab: LabFile = None) -> None:
    """Print the lab's machines as the JSON that the Vagrantfile reads when Vagrant is called by hand."""
    from provisioner.machines.vagrant.lab_file import render_by_hand

    typer.echo(render_by_hand(load(lab)))
