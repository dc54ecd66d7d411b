"""Selects the targets of a run: kind × runtime × host, from options, YAML and the programs on PATH.

In: `RunOptions`, and the lab if machines were named.
Out: `Target`s, and what is left out, with reason and remedy.  Starts nothing: `observe` tries what is listed here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from provisioner.errors import IsolationError
from provisioner.files.suggest import nearest
from provisioner.runtimes.load import runtime_names
from provisioner.runtimes.runtime import MACHINE, Runtime
from pytest_isolation.options import KINDS, LOCAL, RunOptions
from pytest_isolation.targets.named import RUN, attached_target, attached_targets, command_targets
from pytest_isolation.targets.target import Skipped, Target, lack_of, load_or_refuse

if TYPE_CHECKING:
    from provisioner.machines.lab import Lab, MachineSpec

SELF = "self"


def select_targets(options: RunOptions, lab: Lab | None = None) -> tuple[list[Target], list[Skipped]]:
    """
    List the targets of a run.

    Args:
        options: what the user asked for.
        lab: the lab of the machines, or None if no machine was named.

    Returns:
        The targets, and what was left out.

    Raises:
        pytest.UsageError: a runtime or machine is unknown, is of another kind than asked for, or was named and is not
            installed.
    """
    skipped: list[Skipped] = []
    targets: list[Target] = []
    for host in () if options.only_named else options.hosts:
        targets += _local(options, skipped) if host == LOCAL else _remote(options, _machine(host, lab))
    targets += [
        Target(name, load_or_refuse(MACHINE), name, named=True)
        for name in options.machines
        if _machine(name, lab) and _fits(MACHINE, options)
    ]
    targets += [*attached_targets(options), *command_targets(options.commands)]
    targets = list({target.id: target for target in targets}.values())
    _check_required(options, targets)
    _check_kinds(options, targets, skipped)
    order = {kind: at for at, kind in enumerate(options.kinds)}
    targets.sort(key=lambda target: order.get(target.runtime.kind, -1))
    return targets, skipped


def _local(options: RunOptions, skipped: list[Skipped]) -> list[Target]:
    """Return the runtimes on this machine: those that were named, else all that are installed."""
    names = [*options.runtimes, *(name for name in _required_runtimes(options) if name not in options.runtimes)]
    targets = [_named(name, options) for name in names]
    if options.runtimes:
        return targets
    for name in runtime_names():
        runtime = load_or_refuse(name)
        if name in names or name == SELF or runtime.kind not in options.kinds:
            continue
        if runtime.kind == "vm" and options.machines:
            continue  # the machine is the VM
        if runtime.kind == "container" and options.targets:
            continue  # the project says which containers are its own
        lack = lack_of(runtime)
        if lack:
            skipped.append(Skipped(name, *lack))
        else:
            targets.append(Target(name, runtime, LOCAL, named=False))
    return targets


def _remote(options: RunOptions, machine: MachineSpec) -> list[Target]:
    """Return the container runtimes on a machine: those that were named, else those of its roles in lab.yaml."""
    known = runtime_names()
    names = options.runtimes or tuple(role for role in machine.roles if role in known)
    if not names and "container" in options.kinds:
        raise pytest.UsageError(
            f"--isolation-host: '{machine.name}' has no container runtime among its roles in lab.yaml; "
            f"give it one: roles: [docker]"
        )
    loaded = [(name, _on_machine(load_or_refuse(name))) for name in names]
    for name, runtime in loaded:
        if runtime.kind == "vm" and LOCAL not in options.hosts:
            raise pytest.UsageError(f"'{name}' runs on this machine only: --isolation-host=local,{machine.name}")
    return [
        Target(f"{machine.name}/{name}", runtime, machine.name, named=True)
        for name, runtime in loaded
        if runtime.kind in options.kinds and runtime.kind == "container" and name != SELF
    ]


def _on_machine(runtime: Runtime) -> Runtime:
    """Return the runtime with what it cannot do on a machine."""
    by_hand = {
        f"limits.{name}": "cgroups by hand are made on this machine only"
        for name, how in runtime.limits.items()
        if how.cgroup
    }
    return runtime.model_copy(update={"cannot": {**runtime.cannot, **by_hand}})


def _machine(name: str, lab: Lab | None) -> MachineSpec:
    assert lab is not None  # read with the options, when a machine was named
    if name not in lab.machines and nearest(name, [LOCAL], 0.6):
        raise pytest.UsageError(f"cannot find machine '{name}'; did you mean '{LOCAL}'?")
    try:
        return lab.machine(name)
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None


def _fits(name: str, options: RunOptions) -> bool:
    runtime = load_or_refuse(name)
    if runtime.kind not in options.kinds:
        raise pytest.UsageError(
            f"'{name}' makes sandboxes of the kind {runtime.kind}; ask for --isolation={runtime.kind}"
        )
    return True


def _required_runtimes(options: RunOptions) -> list[str]:
    """Return the runtimes among what is required: neither a kind, nor a machine, nor something on one."""
    others = (*KINDS, *options.machines, *options.hosts)
    return [name for name in options.required if name not in others and "/" not in name and ":" not in name]


def _check_required(options: RunOptions, targets: list[Target]) -> None:
    """Refuse --isolation-require of a machine, or of a runtime on one, that is not among the targets."""
    ids = {target.id for target in targets}
    hosts = {target.host for target in targets}
    for name in options.required:
        if name not in (*KINDS, *hosts, *ids) and not any(one.runtime.name == name for one in targets):
            if name in _required_runtimes(options) and LOCAL in options.hosts and not options.only_named:
                continue
            raise pytest.UsageError(f"--isolation-require: '{name}' is none of this run's targets: {', '.join(ids)}")


def _check_kinds(options: RunOptions, targets: list[Target], skipped: list[Skipped]) -> None:
    """Refuse --isolation-require of a kind of which there is no target."""
    present = {target.runtime.kind for target in targets}
    for kind in KINDS:
        if kind in options.required and kind not in present:
            reasons = "; ".join(f"{one.what}: {one.reason} ({one.mend})" for one in skipped)
            asked = "" if kind in options.kinds else f"ask for it: --isolation={','.join((*options.kinds, kind))}"
            why = asked or reasons or "none was asked for"
            raise pytest.UsageError(f"--isolation-require: no target of the kind {kind}: {why}")


def named_target(name: str, host: str, command: str = "") -> Target:
    """
    Return a target that was selected before; a worker of pytest-xdist knows no more of it.

    Args:
        name: its id.
        host: its host.
        command: the command line that starts it, "" for a target that a role describes.
    """
    if command:
        return command_targets([f"{name.removeprefix(f'{RUN}:')}={command}"])[0]
    if ":" in name:
        return attached_target(name)  # its folder is not needed: a worker has its record
    if host == name:
        return Target(name, load_or_refuse(MACHINE), host, named=True)
    runtime = load_or_refuse(name.rpartition("/")[2])
    return Target(name, runtime if host == LOCAL else _on_machine(runtime), host, named=True)


def instead_of(target: Target, option: str) -> Target:
    """Return the same target with an option of its runtime, to use if the runtime's default does not start here."""
    return replace(named_target(f"{target.id}+{option}", target.host), named=target.named)


def other_option(runtime: Runtime, error: IsolationError) -> str | None:
    """Return the option that the runtime's own data names as the way around this error, None for none."""
    return next((one.instead for one in runtime.symptoms if one.instead and one.cause in error.what), None)


def _named(name: str, options: RunOptions) -> Target:
    if name == MACHINE:
        raise pytest.UsageError("name the machine itself: --isolation-machine=NAME")
    _fits(name, options)
    runtime = load_or_refuse(name)
    lack = lack_of(runtime)
    if lack:
        raise pytest.UsageError(f"cannot run '{name}': {lack[0]}; {lack[1]}")
    return Target(name, runtime, LOCAL, named=True)
