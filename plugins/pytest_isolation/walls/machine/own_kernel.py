"""Signs by which a sandbox's kernel is the host's or its own, whatever its runtime declares.

In: the inside view, the host's view, and whether the host sees the subject.  Out: signs, in words.  Pure.
"""

from __future__ import annotations

from provisioner.errors import UnobservedFact
from provisioner.facts.document import Facts
from provisioner.facts.system import System

BOOT_ID = "/proc/sys/kernel/random/boot_id"  # random(4)


def signs_of_hosts_kernel(inside: Facts, host: Facts, seen_pid: int | None) -> list[str]:
    """
    Return the signs that the sandbox runs on the host's kernel.

    A kernel of its own shows its first thread, kthreadd, as process 2, and nobody mounts over its boot id.

    Args:
        inside, host: both views.
        seen_pid: the subject's pid on the host; None if the host does not see it.
    """
    if seen_pid is not None:
        return [f"the host sees its process as {seen_pid}"]
    if inside.boot_id == host.boot_id:
        return ["its boot id is the host's"]
    if _is_forged(inside) and _banner(inside) == _banner(host) and not _has_kernel_threads(inside):
        return ["a boot id is mounted over its kernel's, /proc/version is the host's, and it has no kernel thread"]
    return []


def signs_of_its_own_kernel(inside: Facts, host: Facts) -> list[str]:
    """
    Return the signs that the sandbox, which the host does not see, runs a kernel of its own; a boot id alone is none.

    Args:
        inside, host: both views.
    """
    if inside.boot_id == host.boot_id or _is_forged(inside):
        return []
    found = []
    if _banner(inside) != _banner(host):
        found.append("its boot id and /proc/version are not the host's")
    if _has_kernel_threads(inside):
        found.append("its boot id is not the host's, and it has kernel threads")
    return found


def is_named_apart(inside: Facts, host: Facts) -> bool:
    """
    Return whether the sandbox's kernel has other names than the host's, by uname(2) and in /proc/version.

    A namespace changes the node name alone (uts_namespaces(7)), and a mount /proc/version alone.

    Args:
        inside, host: both views.
    """
    own, hosts = _system(inside).kernel, _system(host).kernel
    return own.version != hosts.version and own.release != hosts.release and own.banner != hosts.banner


def _is_forged(inside: Facts) -> bool:
    """Whether something is mounted where the kernel shows its boot id (systemd-nspawn, LXD)."""
    return any(mount.target == BOOT_ID for mount in inside.process.mounts)


def _banner(facts: Facts) -> str:
    return _system(facts).kernel.banner


def _has_kernel_threads(inside: Facts) -> bool:
    return any(task.pid == 2 and task.name == "kthreadd" for task in _system(inside).tasks)


def _system(facts: Facts) -> System:
    if facts.system is None:
        raise UnobservedFact("system", "", "the view holds no system part")
    return facts.system
