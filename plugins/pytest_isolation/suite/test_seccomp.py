"""seccomp filters (seccomp(2))."""

from __future__ import annotations

import pytest

from provisioner.sandboxes.observed import UnobservedFact
from pytest_isolation.view import HostView, SandboxView
from pytest_isolation.walls.filters import ROWS, read_refusals

FILTER = 2  # SECCOMP_MODE_FILTER


@pytest.mark.isolation(
    "seccomp.mode",
    severity="high",
    profile="baseline",
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
    refs=["seccomp(2)", "moby default seccomp profile", "containers/common default seccomp profile"],
    kinds=["container"],
    kinds_reason="a VM's system calls reach its own kernel",
    shows=["process.seccomp", *(f"system.tries[{row}]" for row in ROWS)],
    reproduce="setarch -R true    # personality(ADDR_NO_RANDOMIZE): refused under a filter",
    remedy="use the engine's default seccomp profile, or one that refuses the calls named",
)
def test_dangerous_calls_are_refused_by_the_filter(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The dangerous calls are refused by the filter, not only by a missing capability.

    Each try has arguments that cannot take effect, and every process gets past the privilege check of the rows that
    decide (walls/filters.py), so only a filter can refuse them.  The host's answers are the control.
    """
    found = read_refusals(sandbox.system, host_facts.system)
    assert not found.reached, f"the filter lets through {', '.join(found.reached)}"
    if not found.refused:
        raise UnobservedFact("system.tries", "", "no row can tell a filter here: the host answers none of them itself")


@pytest.mark.isolation(
    "seccomp.exec_parity",
    severity="high",
    profile="baseline",
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
    own, other = sandbox.process.seccomp, sandbox.exec.process.seccomp
    assert other.mode == own.mode, f"an exec'd process has seccomp mode {other.mode}, the first one {own.mode}"
    if own.filters is not None and other.filters is not None:  # the count came with Linux 5.9
        assert other.filters >= own.filters, f"an exec'd process has {other.filters} filters of {own.filters}"
