"""Selects the targets of a run: kind × runtime × host, from options, YAML and the programs on PATH.

In: `RunOptions`, and the lab if machines were named.
Out: `Target`s, and what is left out, with reason and remedy.  Starts nothing: `observe` tries what is listed here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import TYPE_CHECKING

import pytest

from provisioner.connection.local import find_program
from provisioner.errors import IsolationError
from provisioner.files.suggest import nearest, suggest
from provisioner.limits.limit import limit_names
from provisioner.runtimes.command_line import read_command
from provisioner.runtimes.load import load_runtime, runtime_names
from provisioner.runtimes.runtime import MACHINE, Runtime
from provisioner.sandboxes.attached import BARE, AttachTarget
from pytest_isolation.options import KINDS, LOCAL, RunOptions
from pytest_isolation.records.record import ATTACHED
from pytest_isolation.targets.running import expand_attached

if TYPE_CHECKING:
    from provisioner.machines.lab import Lab, MachineSpec

SELF = "self"
ATTACHABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}")
NAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]{0,62})=")
RUN = "run"  # ids of targets that a command line starts: "run:web"
MAX_PID = (1 << 31) - 1


@dataclass(frozen=True)
class Target:
    """
    One column of the matrix.

    Attributes:
        id: "docker", "podman+runc", "debian12/docker", "docker:web" for an attached one.
        runtime: what creates its sandboxes.
        host: where the runtime's commands run: "local", or a machine of lab.yaml.
        named: whether the user named it, so that it is an error if it is missing.
        attached: the running sandbox to attach to, None for targets of which we create the sandboxes.
        command: the user's command line that starts its sandboxes; "" for targets that a role describes.
        changed: what was changed of that command line, a phrase for each change.
    """

    id: str
    runtime: Runtime
    host: str
    named: bool
    attached: AttachTarget | None = None
    command: str = ""
    changed: tuple[str, ...] = ()

    @property
    def is_machine(self) -> bool:
        """Whether the host itself is the sandbox."""
        return self.runtime.name == MACHINE


@dataclass(frozen=True)
class Skipped:
    """What was left out, why, and what to do about it."""

    what: str
    reason: str
    mend: str


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
        Target(name, _load(MACHINE), name, named=True)
        for name in options.machines
        if _machine(name, lab) and _fits(MACHINE, options)
    ]
    targets += [*_attached(options), *command_targets(options.commands)]
    targets = list({target.id: target for target in targets}.values())
    _check_required(options, targets)
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
        runtime = _load(name)
        if name in names or name == SELF or runtime.kind not in options.kinds:
            continue
        if runtime.kind == "vm" and options.machines:
            continue  # the machine is the VM
        lack = _lack(runtime)
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
    loaded = [(name, _on_machine(_load(name))) for name in names]
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
    runtime = _load(name)
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


def _attached(options: RunOptions) -> list[Target]:
    """Return the sandboxes to attach to; refuse two with the same id."""
    targets: dict[str, Target] = {}
    for text in expand_attached(options.attach):
        target = attached_target(text)
        if target.id in targets:
            raise pytest.UsageError(f"--isolation-attach: two sandboxes are called '{target.id}': name one at a time")
        targets[target.id] = target
    return list(targets.values())


def attached_target(text: str) -> Target:
    """
    Return the target of a running sandbox.

    Args:
        text: "docker:web", "runc:/run/other/web" (with the folder that the runtime keeps it in), "pid:4242".

    Raises:
        pytest.UsageError: the text names no sandbox, or a runtime that cannot be attached to.
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
    """Return the runtime with what cannot be done with an attached sandbox."""
    names = ["peer", *(f"network.{mode}" for mode in ("none", "private", "host"))]
    limits = [f"limits.{name}" for name in limit_names()]  # read, not set
    cannot = {name: why for name, why in runtime.cannot.items() if name not in limits}
    cannot |= dict.fromkeys(names, ATTACHED)
    if runtime.attach is None or runtime.attach.exec is None:
        cannot["exec"] = runtime.cannot["attach.exec"]
    return runtime.model_copy(update={"cannot": cannot})


def command_targets(commands: Sequence[str]) -> list[Target]:
    """
    Return the targets that command lines start.

    Args:
        commands: each as COMMAND, or NAME=COMMAND.

    Raises:
        pytest.UsageError: a command line cannot be read, has no place for the probe, or two have one name.
    """
    targets: dict[str, Target] = {}
    for text in commands:
        named = NAMED.match(text)
        line = text[named.end() :] if named else text
        try:
            command = read_command(line)
        except IsolationError as error:
            raise pytest.UsageError(f"--isolation-run: {error}") from None
        lack = _lack(command.runtime)
        if lack:
            raise pytest.UsageError(f"--isolation-run: {lack[0]}; {lack[1]}")
        name = f"{RUN}:{named['name'] if named else command.name}"
        if named and name in targets:
            raise pytest.UsageError(f"--isolation-run: two command lines are called '{named['name']}'")
        names = chain([name], (f"{name}-{number}" for number in count(2)))
        target_id = next(one for one in names if one not in targets)
        targets[target_id] = Target(
            target_id, command.runtime, LOCAL, named=True, command=line, changed=command.changed
        )
    return list(targets.values())


def named_target(name: str, host: str, commands: Sequence[str] = ()) -> Target:
    """
    Return a target that was selected before; a worker of pytest-xdist knows no more of it.

    Args:
        name: its id.
        host: its host.
        commands: the command lines of the run.
    """
    if name.startswith(f"{RUN}:"):
        return next(target for target in command_targets(commands) if target.id == name)
    if ":" in name:
        return attached_target(name)  # its folder is not needed: a worker has its record
    if host == name:
        return Target(name, _load(MACHINE), host, named=True)
    runtime = _load(name.rpartition("/")[2])
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
    """Return what is missing on this host and what to do about it, or None; starts nothing."""
    for binary in [*([runtime.binary] if runtime.binary else []), *runtime.needs]:
        if find_program(binary) is None:
            return f"{binary} is not installed", runtime.install
    if runtime.root and os.geteuid() != 0:
        return "it needs root", "run as root"
    return None
