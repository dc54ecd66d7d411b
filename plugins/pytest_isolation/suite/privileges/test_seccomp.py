"""seccomp filters (seccomp(2))."""

from __future__ import annotations

import pytest

from provisioner.observed import UnobservedFact
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.seccomp.calls import dangerous_calls, entries_of, foreign_calls
from pytest_isolation.walls.seccomp.program import DANGEROUS
from pytest_isolation.walls.seccomp.tries import ENTRIES, ROWS, SOCKETS

FILTER = 2  # SECCOMP_MODE_FILTER
LISTENER = "anon_inode:seccomp notify"  # kernel/seccomp.c, init_listener


@pytest.mark.isolation(
    "seccomp.mode",
    severity="high",
    profile="baseline",
    gains="reaches every system call of the host's kernel",
    refs=["seccomp(2)", "CIS Docker 2.17", "CIS Docker 5.22", "Pod Security Standards: Seccomp"],
    shows=["process.seccomp.mode", "process.seccomp.filters"],
    reproduce="grep Seccomp /proc/PID/status    # on the host, PID of the sandbox's or the hypervisor's process",
    remedy="drop seccomp=unconfined and --privileged, name a profile; QEMU: -sandbox on",
)
def test_a_filter_is_active(sandbox: SandboxView) -> None:
    """
    A seccomp filter is active.

    Read by the host where it can: the inside view may be forged.  For a VM it is the hypervisor's process that a
    filter must hold.
    """
    mode = sandbox.confined.seccomp.mode
    whose = "its process" if sandbox.has_outside or sandbox.shares_kernel else "the hypervisor's process"
    assert mode == FILTER, f"{whose} has no seccomp filter (mode {mode})"


@pytest.mark.isolation(
    "seccomp.dangerous",
    severity="high",
    profile="baseline",
    gains="reaches calls that few programs need and many escapes do",
    refs=["seccomp(2)", "moby default seccomp profile", "containers/common default seccomp profile"],
    kinds=["container"],
    kinds_reason="a VM's system calls reach its own kernel",
    shows=["process.seccomp", "filter", *(f"system.tries[{row}]" for row in ROWS)],
    reproduce="setarch -R true    # personality(ADDR_NO_RANDOMIZE): refused under a filter",
    remedy="use the engine's default seccomp profile, or one that refuses the calls named",
)
def test_dangerous_calls_are_refused_by_the_filter(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The dangerous calls are refused by the filter, not only by a missing capability.

    Decided by the installed filter of every task, where the host could ask for it, and by the tries (walls/calls.py).
    Each try has arguments that cannot take effect, and every process gets past the privilege check of the rows that
    decide (walls/filters.py), so only a filter can refuse them.  The host's answers are the control.
    """
    found, told = dangerous_calls(sandbox.process, sandbox.system, host_facts.system)
    many = f"{len(found)} of {len(DANGEROUS)} dangerous calls: " if len(found) > 1 else ""
    assert not found, f"the filter lets through {many}{', '.join(found)}"
    if not told:
        raise UnobservedFact("system.tries", "", "no row can tell a filter here: the host answers none of them itself")


@pytest.mark.isolation(
    "seccomp.abi",
    severity="high",
    profile="baseline",
    gains="makes the refused call by its 32-bit or x32 number",
    refs=["seccomp(2): the arch field", "filter.rst: pitfalls", "moby seccomp/default_linux.go: SubArches"],
    kinds=["container"],
    kinds_reason="a VM's system calls reach its own kernel",
    shows=["process.seccomp", "filter", *(f"system.tries[{row}]" for entry in ENTRIES.values() for row in entry)],
    reproduce="isolation filter DIR/facts/*.json    # i386's and x32's column beside x86_64's",
    remedy="list the sub-architectures in the profile: SCMP_ARCH_X86 and SCMP_ARCH_X32 beside SCMP_ARCH_X86_64",
)
def test_other_entries_are_filtered_alike(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    32-bit and x32 entry points are filtered too.

    A 64-bit program may call by i386's numbers (int 0x80) and by x32's.  A call that the machine's own numbers refuse
    and others let pass is open, by the installed filter or by a try.  A kernel without such an entry has none to
    close: the host's own tries say so.
    """
    machine = host_facts.system.kernel.machine
    if machine != "x86_64":
        raise UnobservedFact("system.tries", "", f"nobody tried the 32-bit entry of {machine}")
    entries = entries_of(host_facts.system)
    if not entries:
        pytest.skip("the host's kernel takes calls by x86_64's numbers alone")
    assert sandbox.process.seccomp.mode == FILTER, f"no filter, and so none at the entry of {' and '.join(entries)}"
    found = foreign_calls(sandbox.process, sandbox.system, host_facts.system, entries)
    assert not found, f"refused by x86_64's number and let through by {', '.join(found)}"


@pytest.mark.isolation(
    "seccomp.sockets",
    severity="medium",
    profile="baseline",
    gains="reaches the hypervisor's vsock, or the kernel's crypto sockets and their bugs",
    refs=["vsock(7)", "moby seccomp/default_linux.go: allowedSocketDomains", "socketcall(2)", "CVE-2026-31431"],
    kinds=["container"],
    kinds_reason="a VM's sockets are those of its own kernel: vm.vsock looks at what they reach",
    shows=["process.lsm", *(f"system.tries[{row}]" for row in SOCKETS)],
    reproduce="python3 -c 'import socket; socket.socket(socket.AF_VSOCK)'",
    remedy="a profile that refuses socket(2) for families 38 and 40, and socketcall(2), whose arguments no filter sees",
)
def test_host_reaching_sockets_cannot_be_opened(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    AF_VSOCK and AF_ALG cannot be opened.

    AF_VSOCK reaches the hypervisor past every network namespace, AF_ALG a part of the kernel that no container needs.
    Tried by each entry: i386's socketcall(2) hides its arguments in memory, where no filter looks.  A family that the
    host's own try does not get either is none of this kernel's.
    """
    there = [row for row in SOCKETS if host_facts.system.tries[row].result == "ok"]
    if not there:
        pytest.skip("the host's kernel has neither AF_VSOCK nor AF_ALG")
    found = [SOCKETS[row] for row in there if sandbox.system.tries[row].result == "ok"]
    assert not found, f"opens {', '.join(found)}"


@pytest.mark.isolation(
    "seccomp.unknown",
    severity="low",
    profile="baseline",
    gains="makes programs fail that would fall back, or finds a new call let through",
    refs=["OCI runtime-spec: linux.seccomp.defaultErrnoRet", "runc libcontainer/seccomp/patchbpf"],
    kinds=["container"],
    kinds_reason="a VM's system calls reach its own kernel",
    shows=["process.seccomp", "system.tries[syscall.unknown]"],
    reproduce="python3 -c 'import ctypes, os; l = ctypes.CDLL(None, use_errno=True); l.syscall(9999); "
    "print(os.strerror(ctypes.get_errno()))'",
    remedy="defaultErrnoRet: 38 in the profile, or a runc from 1.0.0-rc93 on, which answers ENOSYS by itself",
)
def test_unknown_calls_answer_enosys(sandbox: SandboxView) -> None:
    """
    Unknown calls answer ENOSYS, so that libc falls back.

    A filter that answers otherwise breaks programs that are newer than it, and then it is the filter that gets
    switched off.
    """
    answer = sandbox.system.tries["syscall.unknown"].result
    assert answer == "ENOSYS", f"a call that no kernel has answers {answer}"


@pytest.mark.isolation(
    "seccomp.notify",
    severity="high",
    profile="baseline",
    gains="answers its own filter's questions",
    refs=["seccomp_unotify(2)", "OCI runtime-spec: linux.seccomp.listenerPath"],
    kinds=["container"],
    kinds_reason="a VM's system calls reach its own kernel",
    shows=["process.fds", "filter"],
    reproduce="ls -l /proc/PID/fd | grep 'seccomp notify'",
    remedy="keep the listener's descriptor and the agent's socket outside: no listenerPath below a bind mount",
)
def test_no_listener_of_a_filter_is_inside(sandbox: SandboxView) -> None:
    """
    A user-notify listener, if any, is not reachable from inside.

    Who holds a filter's listener answers in its stead, and may let every call pass (SECCOMP_USER_NOTIF_FLAG_CONTINUE).
    """
    found = [str(fd.fd) for fd in sandbox.process.fds if fd.target == LISTENER]
    assert not found, f"descriptors {', '.join(found)} are listeners of a seccomp filter"


@pytest.mark.isolation(
    "seccomp.exec_parity",
    severity="high",
    profile="baseline",
    gains="waits for an administrator's exec, which reaches calls that its own filter refuses",
    refs=["seccomp(2)"],
    kinds=["container"],
    kinds_reason="a VM's runtime starts no process inside it",
    shows=["process.seccomp"],
    reproduce="docker exec NAME grep Seccomp /proc/self/status /proc/1/status",
    remedy="drop exec --privileged; let exec use the sandbox's profile",
)
def test_exec_is_filtered_alike(sandbox: SandboxView) -> None:
    """Exec'd processes are filtered alike."""
    if reason := sandbox.target.cannot.get("exec"):
        pytest.skip(reason)
    own, other = sandbox.subject.seccomp, sandbox.exec.process.seccomp
    assert other.mode == own.mode, f"an exec'd process has seccomp mode {other.mode}, the first one {own.mode}"
    if own.filters is not None and other.filters is not None:  # the count came with Linux 5.9
        assert other.filters >= own.filters, f"an exec'd process has {other.filters} filters of {own.filters}"
