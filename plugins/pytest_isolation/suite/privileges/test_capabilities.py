"""Checks of capability sets (capabilities(7)).

A capability in the sandbox's own user namespace has no power over the host: `capabilities_over_host` leaves it out.
"""

from __future__ import annotations

import pytest

from provisioner.facts.status import Capabilities
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.capabilities import BASELINE, beyond, names_in

SETS = ("inheritable", "permitted", "effective", "bounding", "ambient")
VM_HAS_ITS_OWN = "a VM's capabilities are its own kernel's"


@pytest.mark.isolation(
    "cap.bounding",
    severity="high",
    profile="baseline",
    gains="gets more privileges from one setuid file or file capability than its engine documents",
    refs=["capabilities(7)", "CIS Docker 5.4", "CIS Docker 5.5"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["process.capabilities.bounding"],
    reproduce="grep CapBnd /proc/self/status",
    remedy="drop --privileged and --cap-add; drop the capabilities that the runtime's default does not hold",
)
def test_bounding_set_is_the_documented_one(sandbox: SandboxView) -> None:
    """The bounding set is no larger than the runtime's documented default."""
    documented = sandbox.target.capabilities
    if documented is None:
        pytest.skip("no documented default")
    more = beyond(sandbox.capabilities.bounding, documented)
    if more:
        raise Open(f"its bounding set also holds {', '.join(more)}")


@pytest.mark.isolation(
    "cap.baseline",
    severity="high",
    profile="baseline",
    gains="has a power over the host that ordinary workloads do not need",
    refs=["Pod Security Standards: Capabilities (baseline)", "capabilities(7)"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["process.capabilities.effective", "process.capabilities.permitted", "process.namespaces.user"],
    reproduce="grep -E 'CapEff|CapPrm' /proc/self/status",
    remedy="drop what the baseline does not list: --cap-drop=NET_RAW …",
)
def test_no_capability_beyond_the_baseline(sandbox: SandboxView) -> None:
    """No capability beyond the PSS baseline list (which has no NET_RAW)."""
    more = beyond(sandbox.capabilities_over_host, BASELINE)
    if more:
        raise Open(f"it holds {', '.join(more)} over the host")


@pytest.mark.isolation(
    "cap.sys_admin",
    severity="critical",
    profile="baseline",
    gains="mounts, loads BPF and enters namespaces",
    refs=["capabilities(7)", "bpf(2)"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["process.capabilities.effective", "process.namespaces.user", "system.tries[bpf.prog_get_next_id]"],
    reproduce="grep CapEff /proc/self/status    # bit 21",
    remedy="drop --cap-add=SYS_ADMIN, or run it in a user namespace",
)
def test_no_sys_admin_over_the_host(sandbox: SandboxView) -> None:
    """
    No CAP_SYS_ADMIN over the initial user namespace.

    BPF_PROG_GET_NEXT_ID asks for the capability in the initial user namespace: success or ENOENT means that the sandbox
    can list the host's programs.
    `swapon` would show nothing, because docker's filter refuses it with and without the capability.
    """
    if "SYS_ADMIN" in names_in(sandbox.capabilities_over_host):
        raise Open("it holds CAP_SYS_ADMIN over the host")
    if sandbox.shares_kernel and sandbox.rows_passed(["bpf.prog_get_next_id"]):
        raise Open("it can enumerate the host's BPF programs")


@pytest.mark.isolation(
    "cap.sys_module",
    severity="critical",
    profile="baseline",
    gains="loads code into the host's kernel",
    refs=["init_module(2)", "capabilities(7)"],
    shows=["process.capabilities.effective", "process.namespaces.user", "system.tries[finit_module.bad_fd]"],
    reproduce="grep CapEff /proc/self/status    # bit 16",
    remedy="drop --cap-add=SYS_MODULE",
)
def test_cannot_load_modules_into_the_hosts_kernel(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Cannot load kernel modules.

    finit_module(-1) answers EPERM without the capability and EBADF with it.
    ENOSYS inside may come from a filter.
    ENOSYS outside means a kernel without modules: then the check proves no wall.
    """
    if not sandbox.shares_kernel:
        return  # what it loads goes into its own kernel
    if "SYS_MODULE" in names_in(sandbox.capabilities_over_host):
        raise Open("it holds CAP_SYS_MODULE over the host")
    if sandbox.rows_passed(["finit_module.bad_fd"]):
        raise Open("finit_module passes its check of privilege")
    if host_facts.system.tries["finit_module.bad_fd"].result == "ENOSYS":
        pytest.skip("this kernel has no loadable modules")


@pytest.mark.isolation(
    "cap.net_raw",
    severity="medium",
    profile="restricted",
    gains="forges packets: answers for its peers, poisons their DNS and ARP",
    refs=["packet(7)", "raw(7)", "CVE-2020-14386", "CVE-2020-13401"],
    kinds=["container"],
    kinds_reason="a VM's network decides what it may send, not a capability",
    shows=["process.capabilities.effective", "system.tries[socket.packet_raw]", "system.tries[socket.inet_raw]"],
    reproduce="python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'",
    remedy="--cap-drop=NET_RAW",
)
def test_cannot_craft_raw_packets(sandbox: SandboxView) -> None:
    """
    Cannot craft raw packets.

    A sandbox whose user namespace owns its network namespace can open them too: it is open, because the frames reach
    the same bridge.
    """
    rows = ("socket.packet_raw", "socket.inet_raw")
    opened = sandbox.rows_passed(rows)
    if opened:
        raise Open(f"raw sockets open: {', '.join(opened)}")


@pytest.mark.isolation(
    "cap.exec_parity",
    severity="high",
    profile="baseline",
    gains="waits for an administrator's exec and takes over its capabilities",
    refs=["capabilities(7)", "CIS Docker 5.23", "CVE-2022-27650"],
    kinds=["container"],
    kinds_reason="a VM's runtime starts no process inside it",
    shows=["process.capabilities", "exec.capabilities"],
    reproduce="grep Cap /proc/self/status /proc/1/status    # as what exec starts",
    remedy="drop exec --privileged; update a runtime that fills the inheritable set",
)
def test_exec_has_no_more_capabilities(sandbox: SandboxView) -> None:
    """
    An exec'd process has no more capabilities than pid 1.

    The first process of an attached sandbox may have dropped its own: its bounding set shows what it was given.
    """
    if reason := sandbox.target.cannot.get("exec"):
        pytest.skip(reason)
    own = sandbox.subject.capabilities
    if sandbox.target.attached:
        own = own.model_copy(update=dict.fromkeys(("permitted", "effective"), own.bounding))
    more = _more(sandbox.exec.process.capabilities, own)
    if more:
        raise Open(f"an exec'd process also holds {'; '.join(more)}")


@pytest.mark.isolation(
    "cap.restricted",
    severity="medium",
    profile="restricted",
    gains="has a power that a hardened workload does not need",
    refs=["Pod Security Standards: Capabilities (restricted)", "capabilities(7)"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["process.capabilities.bounding", "process.capabilities.effective"],
    reproduce="grep -E 'CapBnd|CapEff' /proc/self/status",
    remedy="--cap-drop=ALL, and --cap-add=NET_BIND_SERVICE if it listens below port 1024",
)
def test_nothing_but_net_bind_service(sandbox: SandboxView) -> None:
    """
    No capability but NET_BIND_SERVICE.

    The profile demands it in a user namespace too, because a capability over that namespace reaches more kernel code.
    """
    sets = sandbox.capabilities
    more = beyond(sets.bounding | sets.effective | sets.permitted, {"NET_BIND_SERVICE"})
    if more:
        raise Open(f"it also holds {', '.join(more)}")


@pytest.mark.isolation(
    "cap.ambient",
    severity="low",
    profile="baseline",
    gains="passes capabilities on to every program that it starts, also to one that should have none",
    refs=["capabilities(7)", "CVE-2022-24769", "CVE-2022-27650"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["process.capabilities"],
    reproduce="grep -E 'CapInh|CapAmb' /proc/self/status",
    remedy="leave `ambient` and `inheritable` out of process.capabilities; update the runtime",
)
def test_ambient_and_inheritable_sets_are_empty(sandbox: SandboxView) -> None:
    """
    Ambient and inheritable sets are empty.

    Otherwise a program with file capabilities, or one that another user runs, gets what they hold.
    """
    sets = {"ambient": sandbox.capabilities.ambient, "inheritable": sandbox.capabilities.inheritable}
    full = [f"{', '.join(sorted(names_in(mask)))} in its {name} set" for name, mask in sets.items() if mask]
    if full:
        raise Open(f"it holds {'; '.join(full)}")


def _more(other: Capabilities, own: Capabilities) -> list[str]:
    found = []
    for name in SETS:
        names = names_in(getattr(other, name) & ~getattr(own, name))
        if names:
            found.append(f"{', '.join(sorted(names))} in its {name} set")
    return found
