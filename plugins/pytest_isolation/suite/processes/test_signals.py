"""Signals to processes outside and of other sandboxes (kill(2)), and looks into them (ptrace(2))."""

from __future__ import annotations

import pytest

from provisioner.facts.ipc import Canary
from provisioner.observed import UnobservedFact
from pytest_isolation.records.view import SandboxView

REFUSALS = ("ESRCH", "EPERM", "EACCES", "ENOSYS", "SIGSYS")


@pytest.mark.isolation(
    "sig.outside",
    severity="critical",
    profile="baseline",
    gains="ends processes of the host",
    refs=["kill(2)", "pid_namespaces(7)"],
    kinds=["container"],
    kinds_reason="a VM's process ids are its own kernel's",
    shows=["system.canary"],
    reproduce="sleep 999 &    # on the host; inside: kill -0 PID",
    remedy="give it its own pid namespace: drop --pid=host",
)
def test_cannot_signal_a_process_outside(sandbox: SandboxView) -> None:
    """
    It cannot signal a process outside.

    kill(PID, 0) of a canary process on the host, told from another process of that number by the nonce in its
    command line.  EPERM means that the uid protects it, a second wall: that it is visible is ns.pid's finding.
    """
    canary = sandbox.system.canary
    if canary is None:
        raise UnobservedFact("system.canary", "", "no canary process was named to the probe")
    assert not _may_signal(canary, "system.canary"), f"it may signal the host's process {canary.pid}"


def _may_signal(process: Canary, name: str) -> bool:
    if process.signal in REFUSALS:
        return False
    if process.signal != "ok":
        raise UnobservedFact(f"{name}.signal", process.signal, "the try tells nothing")
    return process.same


@pytest.mark.isolation(
    "sig.peer",
    severity="high",
    profile="baseline",
    gains="ends processes of its neighbour",
    refs=["kill(2)", "pid_namespaces(7)"],
    kinds=["container"],
    kinds_reason="a VM's process ids are its own kernel's",
    shows=["system.peers", "process.uid", "process.namespaces.pid"],
    reproduce="docker inspect --format '{{.State.Pid}}' PEER    # inside the other: kill -0 PID",
    remedy="give each its own pid namespace: drop --pid=host and --pid=container:NAME; or let each run as another user",
)
def test_cannot_signal_a_neighbour(sandbox: SandboxView) -> None:
    """
    Two sandboxes of one host uid cannot signal each other.

    kill(PID, 0) of the first process of a sandbox made in the same way, by the number that it has on the host and by
    each that it has in a pid namespace below, one of which may be shared; told from another process of that number by
    the nonce in its command line.  EPERM means that the two have different uids on the host, a second wall.
    """
    if reason := sandbox.target.cannot.get("peer"):
        pytest.skip(reason)
    peers = sandbox.system.peers
    if not peers:
        raise UnobservedFact("system.peers", "", "no process of the peer was named to the probe")
    found = [peer.pid for peer in peers if _may_signal(peer, "system.peers")]
    assert not found, f"it may signal its peer's process, which it sees as {found[0]}"


@pytest.mark.isolation(
    "ptrace.outside",
    severity="critical",
    profile="baseline",
    gains="reads memory and environment of processes outside",
    refs=["ptrace(2), 'Ptrace access mode checking'", "proc_pid_environ(5)"],
    kinds=["container"],
    kinds_reason="a VM's process ids are its own kernel's",
    shows=["system.canary", "system.peers", "process.capabilities.effective"],
    reproduce="sleep 999 &    # on the host; inside: head -c 1 /proc/PID/environ",
    remedy="give it its own pid namespace, and no CAP_SYS_PTRACE: drop --pid=host and --cap-add=SYS_PTRACE",
)
def test_cannot_look_into_a_process_outside(sandbox: SandboxView) -> None:
    """
    It cannot read another sandbox's or the host's `/proc/PID`.

    `environ` and `maps` of a process are opened for reading, where the kernel checks the access mode, and closed: of
    the host's canary, and of the first process of its peer.  The canary holds all of the host's capabilities, so that
    without CAP_SYS_PTRACE a container's root is refused it (cap_ptrace_access_check in security/commoncap.c); the
    peer holds no more than the sandbox itself.  That they are visible at all is ns.pid's finding and ns.peer's.
    """
    canary = sandbox.system.canary
    if canary is None:
        raise UnobservedFact("system.canary", "", "no canary process was named to the probe")
    opened = _opened(canary, "system.canary")
    assert not opened, f"it opens {opened} of the host's process"
    if "peer" in sandbox.target.cannot:
        return
    peers = sandbox.system.peers
    if not peers:
        raise UnobservedFact("system.peers", "", "no process of the peer was named to the probe")
    of_peer = [name for name in (_opened(peer, "system.peers") for peer in peers) if name]
    assert not of_peer, f"it opens {of_peer[0]} of its peer's process"


def _opened(process: Canary, name: str) -> str:
    """Return the file of a process that opens, "" where none does or the number is another process's."""
    for kind, result in (("environ", process.environ), ("maps", process.maps)):
        if result in (*REFUSALS, "ENOENT"):
            continue
        if result != "ok":
            raise UnobservedFact(f"{name}.{kind}", result, "the try tells nothing")
        if process.same:
            return f"/proc/{process.pid}/{kind}"
    return ""
