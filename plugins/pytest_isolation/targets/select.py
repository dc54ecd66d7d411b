"""Which targets a run has: kind × runtime × host, from options, YAML and a look at PATH.

In: `RunOptions`, and the lab where machines were named.  Out: `Target`s, and what is left out, with reason and mend.
Called by plugin.py when it collects.  Starts nothing: pool.py tries what is listed here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from provisioner.connection.local import find_program
from provisioner.errors import IsolationError
from provisioner.files.suggest import nearest, suggest
from provisioner.limits.limit import limit_names
from provisioner.runtimes.load import load_runtime, runtime_names
from provisioner.runtimes.runtime import MACHINE, Runtime
from provisioner.sandboxes.attached import BARE, AttachTarget
from pytest_isolation.options import KINDS, LOCAL, RunOptions
from pytest_isolation.records.record import ATTACHED

if TYPE_CHECKING:
    from provisioner.machines.lab import Lab, MachineSpec

SELF = "self"
ATTACHABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}")
MAX_PID = (1 << 31) - 1


@dataclass(frozen=True)
class Target:
    """
    One column of the matrix.

    `named`: the user asked for it by name, so that its lack is an error.  `attached`: the sandbox that somebody else
    runs, None for those that we make.
    """

    id: str
    runtime: Runtime
    host: str
    named: bool
    attached: AttachTarget | None = None

    @property
    def is_machine(self) -> bool:
        """Whether the host itself is the sandbox."""
        return self.runtime.name == MACHINE


@dataclass(frozen=True)
class Skipped:
    """What did not run, why, and what would mend it."""

    what: str
    reason: str
    mend: str


def select_targets(asked: RunOptions, lab: Lab | None = None) -> tuple[list[Target], list[Skipped]]:
    """
    List the targets of a run.

    Args:
        asked: what the user asked for.
        lab: the lab that machines are of, None where no machine was named.

    Raises:
        pytest.UsageError: a runtime or machine that is unknown, of another kind than asked for, or named and not
            installed.
    """
    skipped: list[Skipped] = []
    targets: list[Target] = []
    for host in () if asked.only_attached else asked.hosts:
        targets += _local(asked, skipped) if host == LOCAL else _remote(asked, _machine(host, lab))
    targets += [
        Target(name, _load(MACHINE), name, named=True)
        for name in asked.machines
        if _machine(name, lab) and _fits(MACHINE, asked)
    ]
    targets += _attached(asked)
    targets = list({target.id: target for target in targets}.values())
    _check_required(asked, targets)
    order = {kind: at for at, kind in enumerate(asked.kinds)}
    targets.sort(key=lambda target: order.get(target.runtime.kind, -1))
    return targets, skipped


def _local(asked: RunOptions, skipped: list[Skipped]) -> list[Target]:
    """Return the runtimes on this machine that were named, else all that are installed."""
    names = [*asked.runtimes, *(name for name in _required_runtimes(asked) if name not in asked.runtimes)]
    targets = [_named(name, asked) for name in names]
    if asked.runtimes:
        return targets
    for name in runtime_names():
        runtime = _load(name)
        if name in names or name == SELF or runtime.kind not in asked.kinds:
            continue
        if runtime.kind == "vm" and asked.machines:
            continue  # a VM was named: the machine
        lack = _lack(runtime)
        if lack:
            skipped.append(Skipped(name, *lack))
        else:
            targets.append(Target(name, runtime, LOCAL, named=False))
    return targets


def _remote(asked: RunOptions, machine: MachineSpec) -> list[Target]:
    """Return the container runtimes on a machine: those named, else those that lab.yaml gives it."""
    known = runtime_names()
    names = asked.runtimes or tuple(role for role in machine.roles if role in known)
    if not names and "container" in asked.kinds:
        raise pytest.UsageError(
            f"--isolation-host: '{machine.name}' has no container runtime among its roles in lab.yaml; "
            f"give it one: roles: [docker]"
        )
    loaded = [(name, _on_machine(_load(name))) for name in names]
    for name, runtime in loaded:
        if runtime.kind == "vm" and LOCAL not in asked.hosts:
            raise pytest.UsageError(f"'{name}' runs on this machine alone: --isolation-host=local,{machine.name}")
    return [
        Target(f"{machine.name}/{name}", runtime, machine.name, named=True)
        for name, runtime in loaded
        if runtime.kind in asked.kinds and runtime.kind == "container" and name != SELF
    ]


def _on_machine(runtime: Runtime) -> Runtime:
    """Say what cannot be asked of a runtime where commands go over SSH."""
    by_hand = {
        f"limits.{name}": "cgroups by hand are made on this machine alone"
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


def _fits(name: str, asked: RunOptions) -> bool:
    runtime = _load(name)
    if runtime.kind not in asked.kinds:
        raise pytest.UsageError(
            f"'{name}' makes sandboxes of the kind {runtime.kind}; ask for --isolation={runtime.kind}"
        )
    return True


def _required_runtimes(asked: RunOptions) -> list[str]:
    """Return the runtimes among what is required: neither a kind, nor a machine, nor something on one."""
    others = (*KINDS, *asked.machines, *asked.hosts)
    return [name for name in asked.required if name not in others and "/" not in name and ":" not in name]


def _check_required(asked: RunOptions, targets: list[Target]) -> None:
    """A machine, or a runtime on one, is a target that was named, or it is not there."""
    ids = {target.id for target in targets}
    hosts = {target.host for target in targets}
    for name in asked.required:
        if name not in (*KINDS, *hosts, *ids) and not any(one.runtime.name == name for one in targets):
            if name in _required_runtimes(asked) and LOCAL in asked.hosts and not asked.only_attached:
                continue
            raise pytest.UsageError(f"--isolation-require: '{name}' is none of this run's targets: {', '.join(ids)}")


def _attached(asked: RunOptions) -> list[Target]:
    """Return the sandboxes of others that were named; two that would have one column are refused."""
    targets: dict[str, Target] = {}
    for text in asked.attach:
        target = attached_target(text)
        if target.id in targets:
            raise pytest.UsageError(f"--isolation-attach: two sandboxes are called '{target.id}': name one at a time")
        targets[target.id] = target
    return list(targets.values())


def attached_target(text: str) -> Target:
    """
    Return the target of a sandbox that somebody else runs.

    Args:
        text: "docker:web", "runc:/run/other/web" (kept by its runtime in that folder), "pid:4242".

    Raises:
        pytest.UsageError: it names none, or a runtime of which nobody knows how to look at others' sandboxes.
    """
    base, colon, rest = text.partition(":")
    if not colon or not rest:
        raise pytest.UsageError(f"--isolation-attach: '{text}' names no sandbox; it is RUNTIME:NAME: docker:web")
    if base == BARE.name:
        if not re.fullmatch(r"[1-9][0-9]{0,9}", rest) or int(rest) > MAX_PID:
            raise pytest.UsageError(f"--isolation-attach: '{rest}' is no process id; it is pid:N")
        named = AttachTarget(BARE, rest)
    else:
        runtime = _attachable(base)
        at, _, name = rest.rpartition("/")
        named = AttachTarget(runtime, name, at)
        assert runtime.attach is not None
        if not ATTACHABLE.fullmatch(name):
            raise pytest.UsageError(f"--isolation-attach: '{name}' is no name of a sandbox")
        if at and not (runtime.attach.folder and os.path.isabs(at)):
            example = f"{base}:/FOLDER/NAME" if runtime.attach.folder else f"{base}:NAME"
            raise pytest.UsageError(f"--isolation-attach: '{text}' is no name of a sandbox; it is {example}")
        if runtime.binary and find_program(runtime.binary) is None:
            raise pytest.UsageError(f"cannot attach to '{text}': {runtime.binary} is not installed; {runtime.install}")
    return Target(named.id, _not_ours(named.runtime), LOCAL, named=True, attached=named)


def _attachable(name: str) -> Runtime:
    known = [one for one in runtime_names() if _load(one).attach is not None]
    listed = ", ".join(f"{one}:NAME" for one in known)
    if name.partition("+")[0].partition("-")[0] not in known:
        mend = suggest(name, [*known, BARE.name], f"there are: {listed}, pid:N")
        raise pytest.UsageError(f"--isolation-attach: nothing of '{name}' can be attached to; {mend}")
    return _load(name)


def _not_ours(runtime: Runtime) -> Runtime:
    """Say what cannot be asked of a sandbox that somebody else runs, and why."""
    names = ["peer", *(f"limits.{name}" for name in limit_names())]
    names += [f"network.{mode}" for mode in ("none", "private", "host")]
    cannot = {**runtime.cannot, **dict.fromkeys(names, ATTACHED)}
    if runtime.attach is None or runtime.attach.exec is None:
        cannot["exec"] = runtime.cannot["attach.exec"]
    return runtime.model_copy(update={"cannot": cannot})


def named_target(name: str, host: str) -> Target:
    """Return a target that was selected before, by its id and host; for a worker of pytest-xdist."""
    if ":" in name:
        return attached_target(name)  # its folder is not needed: a worker has its record
    if host == name:
        return Target(name, _load(MACHINE), host, named=True)
    runtime = _load(name.rpartition("/")[2])
    return Target(name, runtime if host == LOCAL else _on_machine(runtime), host, named=True)


def instead_of(target: Target, option: str) -> Target:
    """Return the same target with an option of its runtime, for a runtime whose default does not start here."""
    return replace(named_target(f"{target.id}+{option}", target.host), named=target.named)


def other_option(runtime: Runtime, error: IsolationError) -> str | None:
    """Return the option that the runtime's own data names as the way around this error, None for none."""
    return next((one.instead for one in runtime.symptoms if one.instead and one.cause in error.what), None)


def _named(name: str, asked: RunOptions) -> Target:
    if name == MACHINE:
        raise pytest.UsageError("name the machine itself: --isolation-machine=NAME")
    _fits(name, asked)
    runtime = _load(name)
    lack = _lack(runtime)
    if lack:
        raise pytest.UsageError(f"cannot run '{name}': {lack[0]}; {lack[1]}")
    return Target(name, runtime, LOCAL, named=True)


def _load(name: str) -> Runtime:
    try:
        return load_runtime(name)
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None


def _lack(runtime: Runtime) -> tuple[str, str] | None:
    """Say what is missing on this host before anything is started, and its mend."""
    for binary in [*([runtime.binary] if runtime.binary else []), *runtime.needs]:
        if find_program(binary) is None:
            return f"{binary} is not installed", runtime.install
    if runtime.root and os.geteuid() != 0:
        return "it needs root", "run as root"
    return None
