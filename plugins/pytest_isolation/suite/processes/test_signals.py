"""Checks of signals to processes outside and of peers (kill(2)), and of access to their memory (ptrace(2))."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from provisioner.errors import UnobservedFact
from provisioner.facts.ipc import Canary
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.tasks import in_its_pids, name_first

# processes of the host that hold less than the canary (provisioner/hosts/canary_processes.py)
WEAKER = {
    "same_user": "with its own user and no capability",
    "container": "with the capabilities of a container",
}
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
    The sandbox cannot signal a process outside.

    The probe tries kill(PID, 0) on a canary process of the host; a nonce in its command line tells it from others with
    that number.
    EPERM means that the user id protects the process, which is a second wall: ns.pid reports that it is visible.
    """
    if sandbox.why_blind and _sees_none_outside(sandbox):
        return  # kill(2) finds a process by its number in the caller's pid namespace
    canary = sandbox.system.canary
    if canary is None:
        raise UnobservedFact("system.canary", "", "the probe got no canary process")
    if _may_signal(canary, "system.canary"):
        raise Open(f"it may signal the host's process {canary.pid}")


def _may_signal(process: Canary, name: str) -> bool:
    if process.signal in REFUSALS:
        return False
    if process.signal != "ok":
        raise UnobservedFact(f"{name}.signal", process.signal, "the answer shows nothing")
    return process.same


@pytest.mark.isolation(
    "sig.peer",
    severity="high",
    profile="baseline",
    gains="ends processes of its peer",
    refs=["kill(2)", "pid_namespaces(7)"],
    kinds=["container"],
    kinds_reason="a VM's process ids are its own kernel's",
    shows=["system.peers", "process.uid", "process.namespaces.pid"],
    reproduce="kill -0 PID    # PID of its peer's first process, on the host and in the peer",
    remedy="give each its own pid namespace: drop --pid=host and --pid=container:NAME; or run each as another user",
)
def test_cannot_signal_a_peer(sandbox: SandboxView) -> None:
    """
    Two sandboxes of one host uid cannot signal each other.

    The probe tries kill(PID, 0) on the first process of its peer, by its number on the host and in each pid namespace
    below.
    A nonce in the command line tells it from others with that number.
    EPERM means that the two have different uids on the host, which is a second wall.
    """
    if reason := sandbox.target.cannot.get("peer"):
        pytest.skip(reason)
    peers = sandbox.system.peers
    if not peers:
        raise UnobservedFact("system.peers", "", "the probe got no process of the peer")
    found = [peer.pid for peer in peers if _may_signal(peer, "system.peers")]
    if found:
        raise Open(f"it may signal its peer's process, which it sees as {found[0]}")


@pytest.mark.isolation(
    "ptrace.outside",
    severity="critical",
    profile="baseline",
    gains="reads memory and environment of processes outside",
    refs=["ptrace(2), 'Ptrace access mode checking'", "proc_pid_environ(5)"],
    kinds=["container"],
    kinds_reason="a VM's process ids are its own kernel's",
    shows=["system.canary", "system.canaries", "system.peers", "process.capabilities.effective"],
    reproduce="sleep 999 &    # on the host; inside: head -c 1 /proc/PID/environ",
    remedy="give it its own pid namespace, and no CAP_SYS_PTRACE: drop --pid=host and --cap-add=SYS_PTRACE",
)
def test_cannot_look_into_a_process_outside(sandbox: SandboxView) -> None:
    """
    The sandbox cannot read another sandbox's or the host's `/proc/PID`.

    The probe opens and closes `environ` and `maps`, where the kernel checks the ptrace access mode, of several
    processes of the host and of its peer's first process.
    The kernel lets a process look into one of the same user and group that holds no more capabilities
    (cap_ptrace_access_check in security/commoncap.c).
    Therefore one process of the host holds all capabilities, one has the sandbox's own user and no capability, and one
    has those of a container.
    Without a peer it is unknown whether the sandbox can read another sandbox's, unless no process of another sandbox
    is in its pid namespace.
    ns.pid and ns.peer report that these processes are visible.
    """
    if sandbox.why_blind and _sees_none_outside(sandbox):
        _judge_peer(sandbox)
        return
    canary = sandbox.system.canary
    if canary is None:
        raise UnobservedFact("system.canary", "", "the probe got no canary process")
    opened = _opened(canary, "system.canary")
    if opened:
        raise Open(f"it opens {opened} of the host's process")
    _judge_all(*(partial(_judge_weaker_process, sandbox, name) for name in WEAKER), partial(_judge_peer, sandbox))


def _judge_all(*judges: Callable[[], None]) -> None:
    """Call each judge.  One that finds the wall open decides, also if another one's process could not be observed."""
    missing: UnobservedFact | None = None
    for judge in judges:
        try:
            judge()
        except UnobservedFact as fault:
            missing = missing or fault
    if missing is not None:
        raise missing


def _sees_none_outside(sandbox: SandboxView) -> bool:
    """Whether no number and no path leads to a process outside: it has its own pid namespace and procfs."""
    if sandbox.namespaces.pid == sandbox.host.namespaces.pid:
        return False
    hosts = {(mount.major, mount.minor) for mount in sandbox.host.process.mounts if mount.fstype == "proc"}
    return not any((mount.major, mount.minor) in hosts for mount in sandbox.process.mounts)


def _judge_weaker_process(sandbox: SandboxView, name: str) -> None:
    """Judge a process of the host that holds less than the first; `name` is a key of WEAKER."""
    if name not in sandbox.system.canaries and sandbox.namespaces.pid != sandbox.host.namespaces.pid:
        return  # this user of the host cannot start it
    opened = _opened(sandbox.system.canaries[name], f"system.canaries[{name}]")
    if opened:
        raise Open(f"it opens {opened} of a process of the host {WEAKER[name]}")


def _judge_peer(sandbox: SandboxView) -> None:
    if "peer" not in sandbox.target.cannot:
        peers = sandbox.system.peers
        if not peers:
            raise UnobservedFact("system.peers", "", "the probe got no process of the peer")
        of_peer = [name for name in (_opened(peer, "system.peers") for peer in peers) if name]
        if of_peer:
            raise Open(f"it opens {of_peer[0]} of its peer's process")
        return
    if sandbox.namespaces.pid == sandbox.host.namespaces.pid:
        raise UnobservedFact("system.peers", "", "it is in the host's pid namespace, and has no peer to look into")
    if strangers := in_its_pids(sandbox.subject, sandbox.tasks):
        why = f"{name_first(strangers)} of another sandbox is in its pid namespace, and was not tried"
        raise UnobservedFact("system.peers", "", why)


def _opened(process: Canary, name: str) -> str:
    """Return the file of a process that opens, "" if none does or the number belongs to another process."""
    for kind, result in (("environ", process.environ), ("maps", process.maps)):
        if result in (*REFUSALS, "ENOENT"):
            continue
        if result != "ok":
            raise UnobservedFact(f"{name}.{kind}", result, "the answer shows nothing")
        if process.same:
            return f"/proc/{process.pid}/{kind}"
    return ""
