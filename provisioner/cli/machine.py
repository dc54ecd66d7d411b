"""The commands for machines that run, and for their snapshots: plan, apply, ssh, snapshot, restore.

In: the command line.  Out: lines and tables on standard output, one line on standard error for each machine that
failed, and the exit status; `ssh` becomes OpenSSH.  Called by cli.py, which `add_to` gives the commands.  What they do
is in machines/verbs.py.
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
    from provisioner.machines.operations import Settled


def add_to(app: typer.Typer) -> None:
    """Give the commands to a command line."""
    for command in (plan, apply, ssh, snapshot, restore):
        app.command()(command)


def plan(
    names: Names = None,
    lab: LabFile = None,
    check: Annotated[bool, typer.Option("--check", help="exit status 2 when something is to change")] = False,
) -> None:
    """Print what `apply` would change on machines that run, and change nothing."""
    from provisioner.journal.run import Run

    found = load(lab)
    chosen = choose(found, names)
    need_extra("plan")
    from provisioner.machines.operations import plan_machine

    plans: list[Plan] = []

    def one(name: str) -> None:
        with Run.start() as run:
            plans.append(plan_machine(found, name, run))
        _show_plan(plans[-1])

    each(chosen, one)
    if check and any(made.changes for made in plans):
        raise typer.Exit(2)


def apply(
    names: Names = None,
    lab: LabFile = None,
    verify: Annotated[bool, typer.Option(help="look after what the roles promise")] = True,
    jobs: Jobs = None,
) -> None:
    """
    Bring machines that run to what their roles want: the plan is shown, then carried out.

    A second one changes nothing. What is new is frozen, so that the next `up` restores it.
    """
    from provisioner.journal.run import Run
    from provisioner.machines.parallel import default_jobs, interruptible

    found = load(lab)
    chosen = choose(found, names)
    need_extra("apply", "testinfra" if verify else "fabric")
    from provisioner.machines.operations import apply_roles

    def one(name: str) -> None:
        with Run.start() as run:
            _show_settled(apply_roles(found, name, run, verify, _show_plan))

    jobs = jobs or default_jobs()
    with interruptible():
        if len(chosen) == 1 or jobs == 1:
            each(chosen, one)
        else:
            _apply_side_by_side(found, chosen, verify, jobs)


def _apply_side_by_side(lab: Lab, names: Sequence[str], verify: bool, jobs: int) -> None:
    from provisioner.machines.parallel import run_side_by_side

    options = ["--lab", str(lab.path), *([] if verify else ["--no-verify"])]
    ended = run_side_by_side([["apply", name, *options] for name in names], jobs)
    for one in ended:
        typer.echo(one.output, nl=False)
    if any(one.status for one in ended):
        raise typer.Exit(1)


def _show_plan(made: Plan) -> None:
    from provisioner.converge.plan import render_diff

    for line in render_diff(made):
        typer.echo(line)


def _show_settled(settled: Settled) -> None:
    """Print what was done; a promise that does not hold is the machine's failure."""
    from provisioner.cli.table import print_table

    applied = settled.applied
    typer.echo(f"{applied.machine}: {applied.changed} changed in {settled.seconds:.1f} s")
    if settled.checked:
        cells = [(one.role, one.promise, one.why or "holds") for one in settled.checked]
        print_table(("role", "promise", "seen"), cells)
    if settled.frozen:
        typer.echo(f"{applied.machine}: frozen as {settled.frozen}")
    broken = [one for one in settled.checked if not one.holds]
    if broken:
        raise IsolationError(
            f"cannot verify machine '{applied.machine}': {len(broken)} of {len(settled.checked)} promises do not hold, "
            f"first '{broken[0].promise}': {broken[0].why}"
        )


def ssh(
    name: Name,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND]...", help="what to run there; a login shell if none")
    ] = None,
    lab: LabFile = None,
) -> None:
    """
    Become OpenSSH's ssh to a machine that runs: its own keys, and nothing of ~/.ssh.

    Each word of COMMAND arrives as it is. For a shell there: provisioner ssh NAME -- sh -c 'ls /etc | wc -l'
    """
    from provisioner.journal.run import Run
    from provisioner.machines.find import find_machine
    from provisioner.machines.openssh import render_remote, render_ssh, write_known_hosts

    found = load(lab)
    with Run.start() as run:
        address = find_machine(found, name, run).ssh()
    known_hosts = found.directory / f"{name}.known_hosts"
    write_known_hosts(address, known_hosts)
    argv = render_ssh(address, known_hosts, render_remote(command) if command else None)
    sys.stdout.flush()
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        hint = "apt-get install openssh-client util-linux"
        raise IsolationError(f"cannot run '{argv[0]}': {error.strerror}", hint) from None


def snapshot(
    name: Name, tag: Annotated[str, typer.Argument(metavar="TAG", help="a name for it")], lab: LabFile = None
) -> None:
    """Freeze memory and disk of a machine that runs; it goes on running."""
    from provisioner.journal.run import Run
    from provisioner.machines.parallel import interruptible

    found = load(lab)
    found.machine(name)
    need_extra("freeze a machine")
    from provisioner.machines.operations import freeze_as

    with interruptible(), Run.start() as run:
        freeze_as(found, name, run, tag)
    typer.echo(f"{name}: frozen as {tag}")


def restore(
    name: Name,
    tag: Annotated[str | None, typer.Argument(metavar="[TAG]", help="a snapshot; the converged one if none")] = None,
    lab: LabFile = None,
) -> None:
    """Bring a machine back to a snapshot; it runs afterwards, and what was done since is gone."""
    from provisioner.journal.run import Run
    from provisioner.machines.parallel import interruptible

    found = load(lab)
    found.machine(name)
    need_extra("restore a machine")
    from provisioner.machines.operations import restore_to

    with interruptible(), Run.start() as run:
        wanted = restore_to(found, name, run, tag)
    typer.echo(f"{name}: restored from {wanted}")
