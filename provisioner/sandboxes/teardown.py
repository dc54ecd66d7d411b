"""Ends a sandbox, first by its first process, then by its runtime, and looks for what is left on this machine.

In: a function that creates sandboxes.  Out: `TeardownResult`: processes that outlived the first, traces after the
runtime's own delete, and the owner of a file that the sandbox created before (shared_file.py).  Traces are processes in
its namespaces, its cgroups, its hypervisor, mounts with its name, and its entry in the runtime's list.  What was there
before the sandbox is not its own (earlier.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError, UnobservedFact
from provisioner.facts.document import Facts
from provisioner.facts.process import Process
from provisioner.linux.mounts import read_mounts
from provisioner.linux.processes import clock_now, read_process
from provisioner.observed import Fact, Items, Observed, Text, Unobserved, unobserved
from provisioner.runtimes.render import render_argv
from provisioner.sandboxes.earlier import Earlier, own_cgroups, own_namespaces, read_earlier
from provisioner.sandboxes.init_death import end_first
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.shared_file import SharedFile, make_shared_file
from provisioner.sandboxes.spec import VOLUME, Spec

T = TypeVar("T")

PATIENCE = 5.0  # seconds: traces that go by themselves take a moment


class TeardownResult(Observed):
    """Processes that outlived the first, traces that the runtime left, and a file that the sandbox created before."""

    survivors: Fact[Items[Text]]
    residue: Fact[Items[Text]]
    shared_file: Fact[SharedFile | None]


def measure_end(
    create: Callable[[Spec], Sandbox],
    meanwhile: Callable[[Sandbox], object] | None = None,
    folder: Path | None = None,
) -> TeardownResult:
    """
    Create a sandbox, end it, and look for what is left of it.

    Args:
        create: creates it.
        meanwhile: called with the sandbox before it is ended.
        folder: a folder that is shared with it, for a file; None if its runtime shares none.

    Raises:
        IsolationError: it could not be created or looked at.
    """
    earlier = read_earlier()
    with create(Spec(volumes=((folder, VOLUME),) if folder else ())) as sandbox:
        subject, vmm = sandbox.outside(), sandbox.vmm()
        host = sandbox.host.outside_pid(sandbox.host.pid, sandbox.nonce)
        shared_file = None if folder is None else _seen(lambda: make_shared_file(sandbox, folder))
        if meanwhile is not None:
            meanwhile(sandbox)
        own = None if subject is None else _seen(lambda: _Own.of(subject.process, host.process, earlier))
        survivors, ended = _ended(sandbox, subject, vmm, host)
    residue = own if isinstance(own, Unobserved) else _seen(lambda: _left(sandbox, own, vmm, ended))
    return TeardownResult(survivors=survivors, residue=residue, shared_file=shared_file)


def _ended(sandbox: Sandbox, subject: Facts | None, vmm: Facts | None, host: Facts) -> tuple[Fact[Items[Text]], int]:
    """End its first process; return the survivors and the time after which a new process is not the sandbox's."""
    try:
        return end_first(sandbox, subject, vmm, host)
    except IsolationError as error:
        return unobserved(str(error)), clock_now()  # its runtime ends its processes


def _seen(look: Callable[[], T]) -> T:
    try:
        return look()
    except (IsolationError, UnobservedFact) as error:
        missing: T = unobserved(str(error))
        return missing


@dataclass(frozen=True)
class _Own:
    """The namespaces by kind, and the folders of the cgroups, that were made for a sandbox."""

    namespaces: dict[str, int]
    cgroups: list[Path]

    @classmethod
    def of(cls, subject: Process, host: Process, earlier: Earlier) -> _Own:
        return cls(own_namespaces(subject, host, earlier), own_cgroups(subject, host, earlier))


def _left(sandbox: Sandbox, own: _Own | None, vmm: Facts | None, ended: int) -> list[str]:
    """
    Return the traces that are still there after `PATIENCE` seconds.

    A look may fail because another sandbox ends: runc(8)'s list stats the folder of each container (list.go).  It is
    repeated for up to twice that time.

    Raises:
        IsolationError: the last look failed.
    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            if not (found := sorted(_traces(sandbox, own, vmm, ended))) or time.monotonic() > until:
                return found
        except IsolationError:
            if time.monotonic() > until + PATIENCE:
                raise
        time.sleep(0.1)


def _traces(sandbox: Sandbox, own: _Own | None, vmm: Facts | None, ended: int) -> Iterator[str]:
    if vmm is not None and (process := read_process(vmm.process.pid)) and process.start == vmm.process.start_time:
        yield f"its hypervisor's process {vmm.process.pid}"
    if own is not None:
        yield from _in_namespaces(own.namespaces, ended)
        yield from (f"the cgroup {folder}" for folder in own.cgroups if folder.is_dir())
    for mount in read_mounts():
        if sandbox.name in str(mount.target):
            yield f"the mount {mount.target}"
    if is_listed(sandbox):
        yield f"{sandbox.runtime.name} still lists it"


def _in_namespaces(own: dict[str, int], ended: int) -> Iterator[str]:
    """
    Yield the processes in these namespaces that were started before the sandbox was ended.

    The kernel gives a new namespace the lowest free inode (proc_alloc_inum), so a later process in a namespace of the
    same inode belongs to another sandbox.
    """
    links = {f"{kind}:[{inode}]" for kind, inode in own.items()}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        for kind in own:
            with contextlib.suppress(OSError):  # it ended meanwhile
                if os.readlink(folder / "ns" / kind) not in links:
                    continue
                if (process := read_process(int(folder.name))) and process.start <= ended:
                    yield f"process {folder.name} in its {kind} namespace"
                    break


def is_listed(sandbox: Sandbox) -> bool | None:
    """
    Tell whether its runtime lists a sandbox; None if the runtime lists none at all.

    Raises:
        IsolationError: the runtime cannot list them.
    """
    runtime = sandbox.runtime
    if runtime.list_ is None:
        return None
    values = sandbox.host.values(runtime, sandbox.spec.image) | {"name": sandbox.name}
    done = sandbox.engine.run(render_argv(runtime.list_.argv, values, "list"), deadline("command"))
    if done.status != 0:
        raise IsolationError(f"cannot list the sandboxes of '{runtime.name}': {done.last_words}")
    return sandbox.name in json.dumps(done.stdout.decode("utf-8", "replace"))
