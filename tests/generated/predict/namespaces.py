"""Namespaces, and what lies beyond them: processes, ports and IPC objects of the host."""

from __future__ import annotations

from world import KERNEL, World

from predict.rules import HOLDS, HOSTS, OPEN, Rule, open_if

# ptrace(2), "Ptrace access mode checking": the host's process holds more capabilities, so that root alone may not, and
# the peer holds the stock ones;
# mm_access() of Linux's kernel/fork.c: from 6.15 on who may profile (CAP_PERFMON, which CAP_SYS_ADMIN includes) reads
TRACES = frozenset({"SYS_PTRACE", *(("PERFMON", "SYS_ADMIN") if KERNEL >= (6, 15) else ())})


def lacks(kind: str) -> Rule:
    """Return a rule: open without an own namespace of this kind."""
    return open_if(lambda world: not world.has(kind))


def signals_outside(world: World) -> bool:
    """kill(2): the same user, or CAP_KILL in the user namespace of the target."""
    return not world.has("pid") and (world.host_root or "KILL" in world.over_host)


def looks_outside(world: World) -> bool:
    """
    ptrace(2), "Ptrace access mode checking": into the host's process, or one of its own user without a capability.
    """
    return not world.has("pid") and (bool(TRACES & world.over_host) or not world.has("user"))


def env_secrets(world: World) -> str:
    """Look at the environment of every process inside: without a pid namespace of its own these are the host's too."""
    if world.told("API_TOKEN"):
        return OPEN
    return HOLDS if world.has("pid") else HOSTS


RULES: dict[str, Rule] = {
    "ns.pid": lacks("pid"),
    "ns.pid.procfs": lacks("pid"),
    "ns.net": lacks("network"),
    "ns.ipc": lacks("ipc"),
    "ns.uts": lacks("uts"),
    "ns.cgroup": lacks("cgroup"),
    "ns.user": lacks("user"),
    "sig.outside": open_if(signals_outside),
    "sig.peer": open_if(signals_outside),  # the peer is of the host's root too
    "ptrace.outside": open_if(looks_outside),
    "ipc.abstract": lacks("network"),  # network_namespaces(7): abstract sockets belong to it
    "ipc.sysv_mq": lacks("ipc"),
    # who listens on the host's ports is no matter of the configuration
    "mgmt.kubelet": lambda world: None if world.has("network") else HOSTS,
    "mgmt.runtime_tcp": lambda world: None if world.has("network") else HOSTS,
    "env.secrets": env_secrets,
    "env.proxy": open_if(lambda world: world.told("https_proxy")),
    "kern.kexec_reboot": open_if(
        lambda world: "SYS_BOOT" in world.effective and not world.has("pid") and not world.refused("reboot")
    ),
}
