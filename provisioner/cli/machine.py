"""The commands plan, apply, ssh, snapshot and restore.

In: the command line.  Out: lines and tables on standard output, one line on standard error for each machine that
failed, and the exit status; `ssh` executes OpenSSH's ssh.  The work is done in machines/operations.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.cli.options import Jobs, LabFile, Name, Names, choose, each, load, need_extra
from provisioner.errors import IsolationError

if TYPE_CHECKING:
    from provisioner.converge.plan import Plan
    from provisioner.machines.lab import Lab
    from provisioner.machines.operations import ApplyResult


def add_to(app: typer.Typer) -> None:
    """Add the commands to a command line."""
    for command in (plan, apply, ssh, snapshot, restore):
        app.command()(command)


def plan(
    names: Names = None,
    lab: LabFile = None,
    check: Annotated[bool, typer.Option("--check", help="exit with status 2 if something would change")] = False,
) -> None:
    """Print what `apply` would change on running machines.  Nothing is changed."""
    from provisioner.journal.run import Run

    loaded = load(lab)
    chosen = choose(loaded, names)
    need_extra("plan")
    from provisioner.machines.operations import plan_machine

    plans: list[Plan] = []

    def one(name: str) -> None:
        with Run.start() as run:
            plans.append(plan_machine(loaded, name, run))
        _show_plan(plans[-1])

    each(chosen, one)
    if check and any(made.changes for made in plans):
        raise typer.Exit(2)


def apply(
    names: Names = None,
    lab: LabFile = None,
    verify: Annotated[bool, typer.Option(help="run the `verify` checks of the roles afterwards")] = True,
    jobs: Jobs = None,
) -> None:
    """
    Converge running machines to their roles: print the plan, then carry it out.

    Repeating it changes nothing. A snapshot of the new state is saved, which the next `up` restores.
    """
    from provisioner.journal.run import Run
    from provisioner.machines.parallel import default_jobs

    loaded = load(lab)
    chosen = choose(loaded, names)
    need_extra("apply", "testinfra" if verify else "fabric")
    from provisioner.machines.operations import apply_roles

    def one(name: str) -> None:
        with Run.start() as run:
            _show_result(apply_roles(loaded, name, run, verify, _show_plan))

    jobs = jobs or default_jobs()
    if len(chosen) == 1 or jobs == 1:
        each(chosen, one)
    else:
        _apply_parallel(loaded, chosen, verify, jobs)


def _apply_parallel(lab: Lab, names: Sequence[str], verify: bool, jobs: int) -> None:
    from provisioner.machines.parallel import run_parallel

    options = ["--lab", str(lab.path), *([] if verify else ["--no-verify"])]
    results = run_parallel([["apply", name, *options] for name in names], jobs)
    for result in results:
        typer.echo(result.output, nl=False)
    if any(result.status for result in results):
        raise typer.Exit(1)


def _show_plan(plan: Plan) -> None:
    from provisioner.converge.plan import render_diff

    for line in render_diff(plan):
        typer.echo(line)


def _show_result(result: ApplyResult) -> None:
    """Print what was done; raise IsolationError if a promise does not hold."""
    from provisioner.cli.table import print_table

    applied = result.applied
    typer.echo(f"{applied.machine}: {applied.changed} changed in {result.seconds:.1f} s")
    if result.checked:
        cells = [(check.role, check.promise, check.why or "holds") for check in result.checked]
        print_table(("role", "promise", "result"), cells)
    if result.snapshot:
        typer.echo(f"{applied.machine}: saved snapshot {result.snapshot}")
    broken = [check for check in result.checked if not check.holds]
    if broken:
        raise IsolationError(
            f"cannot verify machine '{applied.machine}': {len(broken)} of {len(result.checked)} promises do not hold, "
            f"first '{broken[0].promise}': {broken[0].why}"
        )


def ssh(
    name: Name,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND]...", help="a command to run there; default: a login shell"),
    ] = None,
    lab: LabFile = None,
) -> None:
    """
    Log in to a running machine with OpenSSH's ssh, with the machine's keys and without ~/.ssh.

    Each word of COMMAND arrives unchanged. To use a shell there: provisioner ssh NAME -- sh -c 'ls /etc | wc -l'
    """
    from provisioner.journal.run import Run
    from provisioner.machines.find import find_machine
    from provisioner.machines.openssh import render_remote, render_ssh, write_known_hosts

    loaded = load(lab)
    with Run.start() as run:
        address = find_machine(loaded, name, run).ssh()
    known_hosts = loaded.directory / f"{name}.known_hosts"
    write_known_hosts(address, known_hosts)
    argv = render_ssh(address, known_hosts, render_remote(command) if command else None)
    sys.stdout.flush()
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        hint = "apt-get install openssh-client util-linux"
        raise IsolationError(f"cannot run '{argv[0]}': {error.strerror}", hint) from None


def snapshot(
    name: Name, tag: Annotated[str, typer.Argument(metavar="TAG", help="the snapshot's name")], lab: LabFile = None
) -> None:
    """Save a snapshot of memory and disk of a running machine.  The machine continues to run."""
    from provisioner.journal.run import Run

    loaded = load(lab)
    loaded.machine(name)
    need_extra("snapshot a machine")
    from provisioner.machines.operations import save_snapshot

    with Run.start() as run:
        save_snapshot(loaded, name, run, tag)
    typer.echo(f"{name}: saved snapshot {tag}")


def restore(
    name: Name,
    tag: Annotated[
        str | None, typer.Argument(metavar="[TAG]", help="the snapshot's name; default: the converged one")
    ] = None,
    lab: LabFile = None,
) -> None:
    """Restore a machine from a snapshot, and run it; changes since the snapshot are lost."""
    from provisioner.journal.run import Run

    loaded = load(lab)
    loaded.machine(name)
    need_extra("restore a machine")
    from provisioner.machines.operations import restore_snapshot

    with Run.start() as run:
        restored = restore_snapshot(loaded, name, run, tag)
    typer.echo(f"{name}: restored from {restored}")
