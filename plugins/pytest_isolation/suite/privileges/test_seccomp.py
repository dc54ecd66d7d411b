"""Checks of seccomp filters (seccomp(2))."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from pytest_isolation.policy.documented_filter import default_filter
from pytest_isolation.policy.policy import UNREAD_VERSION
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.seccomp.calls import abis_of, dangerous_calls, foreign_calls
from pytest_isolation.walls.seccomp.passed import FILTER, filter_seen
from pytest_isolation.walls.seccomp.tries import FOREIGN_ABI_ROWS, ROWS, SOCKETS

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

    The host reads the mode where it can, because the inside view may be forged.
    For a VM the hypervisor's process must have the filter, behind a sentry the sentry's.
    """
    mode = sandbox.confined.seccomp.mode
    if mode != FILTER:
        raise Open(f"{sandbox.confined_name} has no seccomp filter (mode {mode})")


@pytest.mark.isolation(
    "seccomp.dangerous",
    severity="high",
    profile="baseline",
    gains="makes calls that few programs need and many escapes use",
    refs=["seccomp(2)", "moby default seccomp profile", "containers/common default seccomp profile"],
    kinds=["container"],
    kinds_reason="a VM's system calls reach its own kernel",
    shows=["process.seccomp", "filter", *(f"system.tries[{row}]" for row in ROWS)],
    reproduce="setarch -R true    # personality(ADDR_NO_RANDOMIZE): refused under a filter",
    remedy="use the engine's default seccomp profile, or one that refuses these calls",
)
def test_dangerous_calls_are_refused_by_the_filter(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The filter refuses the dangerous calls, not only a missing capability, and refuses by default.

    walls/seccomp/reasons.yaml gives every system call a class, with its reason: harmless, guarded by a capability, or
    an opening of the kernel without one.
    Some count with certain arguments only: clone by its flags, socket by its family.  clone3 counts unless it is
    refused whole, because its flags lie in memory, where no filter reads them.
    Calls that the runtime's documented filter lets through (roles/NAME/seccomp.yaml) do not count.
    A filter that allows by default also lets through the calls of later kernels.

    The installed filter of every task decides where the host could read it, and the tries decide
    (walls/seccomp/calls.py).
    Each try has arguments that cannot take effect.
    Every process passes the privilege check of the deciding rows (walls/seccomp/tries.py), so only a filter can refuse
    them.
    The host's answers are the control.
    """
    default = default_filter(sandbox.target.runtime, sandbox.target.conditions)
    found = dangerous_calls(sandbox.process, sandbox.system, host_facts.system, default.lets_through)
    if found.absent:
        raise Open("no filter is installed")
    if found.bare:
        raise Open(f"no filter in process {', '.join(str(pid) for pid in found.bare)}")
    many = f"{len(found.calls)} dangerous calls: " if len(found.calls) > 1 else ""
    calls = f"{many}{', '.join(found.calls)}"
    if found.by_default and not default.allows_by_default:
        named = f"; {calls}" if found.calls else ""
        raise Open(f"the filter allows by default every call that it does not name{named}")
    if found.calls:
        lenient = default_filter(sandbox.target.runtime, sandbox.target.conditions, unread=True)
        if not dangerous_calls(sandbox.process, sandbox.system, host_facts.system, lenient.lets_through).calls:
            raise UnobservedFact("target.version", "", f"its default filter may let through {calls}; {UNREAD_VERSION}")
        raise Open(f"the filter lets through {calls}")
    weak = any(default.is_weak_at(one.call, one.label) for one in found.documented)
    if weak:
        raise Open("the filter lets through dangerous calls, none beyond its default")
    if not found.decided:
        raise UnobservedFact("system.tries", "", "no try can show a filter here: the host's own answers differ too")


@pytest.mark.isolation(
    "seccomp.abi",
    severity="high",
    profile="baseline",
    gains="makes a refused call by its 32-bit or x32 number",
    refs=["seccomp(2): the arch field", "filter.rst: pitfalls", "moby seccomp/default_linux.go: SubArches"],
    kinds=["container"],
    kinds_reason="a VM's system calls reach its own kernel",
    shows=[
        "process.seccomp",
        "filter",
        *(f"system.tries[{row}]" for entry in FOREIGN_ABI_ROWS.values() for row in entry),
    ],
    reproduce="isolation filter DIR/facts/*.json    # compare the columns i386 and x32 with x86_64",
    remedy="list the sub-architectures in the profile: SCMP_ARCH_X86 and SCMP_ARCH_X32 beside SCMP_ARCH_X86_64",
)
def test_other_entries_are_filtered_alike(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    32-bit and x32 entry points are filtered too.

    A 64-bit program may call by i386's numbers (int 0x80) and by x32's.
    A call is open if x86_64's number is refused and another ABI's number passes, by the installed filter or by a try.
    The host's own tries show which ABIs its kernel has.
    """
    machine = host_facts.system.kernel.machine
    if machine != "x86_64":
        raise UnobservedFact("system.tries", "", f"the 32-bit ABI of {machine} was not tried")
    entries = abis_of(host_facts.system)
    if not entries:
        pytest.skip("the host's kernel takes calls by x86_64's numbers alone")
    if sandbox.process.seccomp.mode != FILTER:
        raise Open("no filter is installed")
    found = foreign_calls(sandbox.process, sandbox.system, host_facts.system, entries)
    if found:
        raise Open(f"refused by x86_64's number and let through by {', '.join(found)}")


@pytest.mark.isolation(
    "seccomp.sockets",
    severity="medium",
    profile="baseline",
    gains="reaches the hypervisor's vsock, or the kernel's crypto sockets and their bugs",
    refs=["vsock(7)", "moby seccomp/default_linux.go: allowedSocketDomains", "socketcall(2)", "CVE-2026-31431"],
    kinds=["container"],
    kinds_reason="a VM's sockets are its own kernel's: vm.vsock checks what they reach",
    shows=["process.lsm", *(f"system.tries[{row}]" for row in SOCKETS)],
    reproduce="python3 -c 'import socket; socket.socket(socket.AF_VSOCK)'",
    remedy="a profile that refuses socket(2) for families 38 and 40, and socketcall(2): no filter sees its arguments",
)
def test_host_reaching_sockets_cannot_be_opened(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    AF_VSOCK and AF_ALG sockets cannot be opened.

    AF_VSOCK reaches the hypervisor past every network namespace; AF_ALG reaches kernel code that no container needs.
    Each ABI is tried: i386's socketcall(2) keeps its arguments in memory, where no filter can read them.
    A family counts only if the host's own try opens it.
    """
    there = [row for row in SOCKETS if host_facts.system.tries[row].result == "ok"]
    if not there:
        pytest.skip("the host's kernel has neither AF_VSOCK nor AF_ALG")
    found = [SOCKETS[row] for row in there if sandbox.system.tries[row].result == "ok"]
    if found:
        raise Open(f"opens {', '.join(found)}; {filter_seen(sandbox.process)}")


@pytest.mark.isolation(
    "seccomp.unknown",
    severity="low",
    profile="baseline",
    gains="makes programs fail that would fall back, or finds a new call that passes",
    refs=["OCI runtime-spec: linux.seccomp.defaultErrnoRet", "runc libcontainer/seccomp/patchbpf"],
    kinds=["container"],
    kinds_reason="a VM's system calls reach its own kernel",
    shows=["process.seccomp", "system.tries[syscall.unknown]"],
    reproduce="python3 -c 'import ctypes, os; l = ctypes.CDLL(None, use_errno=True); l.syscall(9999); "
    "print(os.strerror(ctypes.get_errno()))'",
    remedy="defaultErrnoRet: 38 in the profile, or runc 1.0.0-rc93 or newer, which answers ENOSYS by itself",
)
def test_unknown_calls_answer_enosys(sandbox: SandboxView) -> None:
    """
    Unknown calls answer ENOSYS, so that libc falls back.

    A filter with another answer breaks programs that are newer than it, and users then switch the filter off.
    """
    answer = sandbox.system.tries["syscall.unknown"].result
    if answer != "ENOSYS":
        raise Open(f"a call that no kernel has answers {answer}")


@pytest.mark.isolation(
    "seccomp.notify",
    severity="high",
    profile="baseline",
    gains="decides itself which calls its filter allows",
    refs=["seccomp_unotify(2)", "OCI runtime-spec: linux.seccomp.listenerPath"],
    kinds=["container"],
    kinds_reason="a VM's system calls reach its own kernel",
    shows=["process.fds", "filter"],
    reproduce="ls -l /proc/PID/fd | grep 'seccomp notify'    # on the host",
    remedy="keep the listener's descriptor and the agent's socket outside: no listenerPath below a bind mount",
)
def test_no_listener_of_a_filter_is_inside(sandbox: SandboxView) -> None:
    """
    No listener of a seccomp filter is reachable from inside.

    A process that holds the listener answers for the filter, and may let every call pass
    (SECCOMP_USER_NOTIF_FLAG_CONTINUE).
    """
    found = [str(fd.fd) for fd in sandbox.process.fds if fd.target == LISTENER]
    if found:
        raise Open(f"descriptors {', '.join(found)} are listeners of a seccomp filter")


@pytest.mark.isolation(
    "seccomp.exec_parity",
    severity="high",
    profile="baseline",
    gains="waits for an administrator's exec, which can make calls that its own filter refuses",
    refs=["seccomp(2)"],
    kinds=["container"],
    kinds_reason="a VM's runtime starts no process inside it",
    shows=["process.seccomp", "exec.seccomp"],
    reproduce="grep Seccomp /proc/self/status /proc/1/status    # as what exec starts",
    remedy="drop exec --privileged; let exec use the sandbox's profile",
)
def test_exec_is_filtered_alike(sandbox: SandboxView) -> None:
    """An exec'd process has the same seccomp filters."""
    if reason := sandbox.target.cannot.get("exec"):
        pytest.skip(reason)
    own, other = sandbox.subject.seccomp, sandbox.exec.process.seccomp
    if other.mode != own.mode:
        raise Open(f"an exec'd process has seccomp mode {other.mode}, the first one {own.mode}")
    counted = own.filters is not None and other.filters is not None  # the count came with Linux 5.9
    if counted and (other.filters or 0) < (own.filters or 0):
        raise Open(f"an exec'd process has {other.filters} filters of {own.filters}")
