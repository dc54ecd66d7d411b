"""What the view from outside decides where there is none from inside (`docker exec` passes no descriptor).

In: capabilities, namespaces, mounts and sockets as facts.
Out: whether the kernel refuses a try by its capabilities alone; which of the host's sockets its mounts show.  Pure.
`docs/how-to/attach.md` lists the checks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from provisioner.errors import UnobservedFact
from provisioner.facts.ipc import Socket
from provisioner.facts.mounts import Mount
from provisioner.facts.process import Process, TaskState
from pytest_isolation.walls.capabilities import names_in
from pytest_isolation.walls.denied_by import OVER_HOST, OVER_OWN_NAMESPACE
from pytest_isolation.walls.filesystem.origins import (
    Origin,
    check_layers,
    hidden,
    ids_of,
    is_meant,
    origins,
    stores_of,
)
from pytest_isolation.walls.management_sockets import is_engine_socket

# A sysctl or a resource limit lets these pass without a capability: kernel.unprivileged_bpf_disabled,
# kernel.perf_event_paranoid, vm.unprivileged_userfaultfd, RLIMIT_RTPRIO (setrlimit(2)).
BY_SETTINGS = (
    *("bpf.map_create_zero", "bpf.prog_load_empty", "perf.software_bad_config", "userfaultfd.kernel_bad_flag"),
    "sched.fifo",
)


def may_gain(tasks: Iterable[Process | TaskState], users: Collection[int | None]) -> set[str]:
    """
    Return the names of all capabilities that a task holds, or may gain by executing a program (capabilities(7)).

    Args:
        tasks: the tasks of a sandbox.
        users: the user namespaces in which they count, by inode.
    """
    mask = 0
    for one in tasks:
        if one.namespaces.user in users:
            mask |= one.capabilities.effective | one.capabilities.permitted | one.capabilities.bounding
    return set(names_in(mask))


def is_refused(row: str, over_host: Collection[str], over_own: Collection[str]) -> bool:
    """
    Whether the kernel refuses a try because the caller lacks the capability, whatever a filter says.

    Args:
        row: the try.
        over_host: names of all capabilities that the sandbox holds or may gain over the host, without "CAP_".
        over_own: the same over its own user namespace.
    """
    if row in BY_SETTINGS:
        return False
    if row in OVER_HOST:
        return not set(OVER_HOST[row]) & set(over_host)
    return row in OVER_OWN_NAMESPACE and not set(OVER_OWN_NAMESPACE[row]) & set(over_own)


def sockets_of_host(
    mounts: Sequence[Mount], host_mounts: Sequence[Mount], sockets: Iterable[Socket], why: str
) -> list[str]:
    """
    Return the sockets of the host that the sandbox's mounts show, each with its mount.

    A mount from a path of an engine's socket is one, wherever the engine keeps it.

    Args:
        mounts, host_mounts: mount tables of the sandbox and of the host.
        sockets: the sockets of the host that count.
        why: why nobody looked from inside.

    Raises:
        UnobservedFact: none is shown, but a path of the host that no engine made for the sandbox: it may hold one.
    """
    check_layers(mounts)
    seen = _visible(mounts, host_mounts)
    paths = {socket.path for socket in sockets}
    found = {
        f"{origin.mount.target} from {origin.path}" + ("" if path == origin.path else f", with {path}")
        for origin in seen
        for path in (*paths, *([origin.path] if is_engine_socket(origin.path) else []))
        if path == origin.path or path.startswith(origin.path.rstrip("/") + "/")
    }
    if found:
        return sorted(found)
    stores, ids = stores_of(mounts, seen), ids_of(seen)
    if unknown := [one for one in seen if one.mount.target != "/" and not is_meant(one, stores, ids)]:
        what = f"nobody looked for sockets at {unknown[0].mount.target}, which is the host's {unknown[0].path}"
        raise UnobservedFact("inside", "", f"{what}: {why}")
    return []


def _visible(mounts: Sequence[Mount], host_mounts: Sequence[Mount]) -> list[Origin]:
    covered = hidden(mounts)
    kernel = ("proc", "sysfs", "cgroup", "cgroup2", "nsfs")  # no socket can be made there
    return [
        one
        for one in origins(mounts, host_mounts)
        if one.mount.id not in covered and one.mount.fstype not in kernel and one.path
    ]
