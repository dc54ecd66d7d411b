"""What of a sandbox is still on this machine after it was ended: first by its first process, then by its runtime.

In: a function that creates sandboxes.  Out: `TeardownResult`: one line for each process that outlived the first, one
for each trace that is left after the runtime's own delete, and whose a file is that it made before (shared_file.py).
Called by pytest_isolation's pool.  Looks at what the sandbox was seen to be (namespaces, cgroups, its hypervisor) and
at what bears its name.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts.document import Facts
from provisioner.facts.namespaces import NAMESPACES
from provisioner.facts.process import Process
from provisioner.linux.mounts import read_mounts
from provisioner.linux.processes import clock_now, read_process
from provisioner.observed import Fact, Items, Observed, Text, unobserved
from provisioner.runtimes.render import render_argv
from provisioner.sandboxes.init_death import end_first
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.shared_file import SharedFile, make_shared_file
from provisioner.sandboxes.spec import Spec

T = TypeVar("T")

PATIENCE = 5.0  # seconds: what ends by itself takes a moment
SHARED = ("time", "user")  # a user namespace may be shared with others on purpose, a time namespace is the host's


class TeardownResult(Observed):
    """What outlived a sandbox's first process, what its runtime left, and a file that it made before."""

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
        create: makes it.
        meanwhile: called with it before it is ended.
        folder: is shared with it, and it makes a file there; None where none can be.

    Raises:
        IsolationError: it could not be made or looked at.
    """
    with create(Spec(volume=folder)) as sandbox:
        subject, vmm = sandbox.outside(), sandbox.vmm()
        host = sandbox.host.outside_pid(sandbox.host.pid, sandbox.nonce)
        shared_file = None if folder is None else _seen(lambda: make_shared_file(sandbox, folder))
        if meanwhile is not None:
            meanwhile(sandbox)
        survivors, ended = _ended(sandbox, subject, vmm, host)
    residue = _seen(lambda: _left(sandbox, subject, vmm, host, ended))
    return TeardownResult(survivors=survivors, residue=residue, shared_file=shared_file)


def _ended(sandbox: Sandbox, subject: Facts | None, vmm: Facts | None, host: Facts) -> tuple[Fact[Items[Text]], int]:
    """End its first process: what outlived it, and the moment after which nothing of its own is started."""
    try:
        return end_first(sandbox, subject, vmm, host)
    except IsolationError as error:
        return unobserved(str(error)), clock_now()  # its processes run on until its runtime ends them


def _seen(look: Callable[[], T]) -> T:
    try:
        return look()
    except IsolationError as error:
        nobody: T = unobserved(str(error))
        return nobody


def _left(sandbox: Sandbox, subject: Facts | None, vmm: Facts | None, host: Facts, ended: int) -> list[str]:
    until = time.monotonic() + PATIENCE
    while (found := sorted(_traces(sandbox, subject, vmm, host, ended))) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def _traces(sandbox: Sandbox, subject: Facts | None, vmm: Facts | None, host: Facts, ended: int) -> Iterator[str]:
    if vmm is not None and (process := read_process(vmm.process.pid)) and process.start == vmm.process.start_time:
        yield f"its hypervisor's process {vmm.process.pid}"
    if subject is not None:
        yield from _in_namespaces(_own_namespaces(subject.process, host.process), ended)
        yield from _cgroups(subject.process, host.process)
    for mount in read_mounts():
        if sandbox.name in str(mount.target):
            yield f"the mount {mount.target}"
    yield from _listed(sandbox)


def _own_namespaces(subject: Process, host: Process) -> dict[str, int]:
    """Return the namespaces that were made for it, inode by kind."""
    found = {}
    for kind in NAMESPACES:
        own, hosts = subject.namespaces.raw(kind), host.namespaces.raw(kind)
        if isinstance(own, int) and own != hosts and kind not in SHARED:
            found[kind] = own
    return found


def _in_namespaces(own: dict[str, int], ended: int) -> Iterator[str]:
    """
    Yield the processes in these namespaces that were started before the sandbox was ended.

    The kernel gives the number of a namespace that is gone to the next one made (proc_alloc_inum takes the lowest that
    is free): a process that is younger than the end is another sandbox's.
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


def _cgroups(subject: Process, host: Process) -> Iterator[str]:
    """Yield the cgroups that it was in and the host's probe was not."""
    hosts = {(tuple(line.controllers), line.path) for line in host.cgroups}
    mounts = [mount for mount in read_mounts() if mount.fstype in ("cgroup", "cgroup2")]
    for line in subject.cgroups:
        if (tuple(line.controllers), line.path) in hosts or line.path == "/":
            continue
        for mount in mounts:
            names = set(line.controllers)
            if names <= {*mount.options} if names else mount.fstype == "cgroup2":
                folder = mount.target / line.path.lstrip("/")
                if folder.is_dir():
                    yield f"the cgroup {folder}"


def _listed(sandbox: Sandbox) -> Iterator[str]:
    runtime = sandbox.runtime
    if runtime.list_ is None:
        return
    values = sandbox.host.values(runtime, sandbox.spec.image) | {"name": sandbox.name}
    done = sandbox.host.connection.run(render_argv(runtime.list_.argv, values, "list"), deadline("command"))
    if done.status != 0:
        raise IsolationError(f"cannot list the sandboxes of '{runtime.name}': {done.last_words}")
    if sandbox.name in json.dumps(done.stdout.decode("utf-8", "replace")):
        yield f"{runtime.name} still lists it"
