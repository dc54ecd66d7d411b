"""Check of what the kernel kills when memory runs out: the sandbox's own processes, before others."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView


@pytest.mark.isolation(
    "lim.oom_scope",
    severity="high",
    profile="baseline",
    kinds=["container"],
    kinds_reason="a VM's memory is its own kernel's, and its hypervisor is a process of the host",
    gains="has the kernel kill the host's processes in its place when memory runs out",
    refs=["proc_pid_oom_score_adj(5)", "cgroup-v1/memory.rst, OOM Control", "cgroup-v2.rst, memory.oom.group"],
    shows=["process.oom_score_adj", "limits.memory"],
    reproduce="cat /proc/PID/oom_score_adj; cat memory.oom_control    # on the host, the latter of its cgroup",
    remedy="drop --oom-score-adj below 0 and --oom-kill-disable",
)
def test_the_kernel_kills_its_processes_first(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Out of memory, the kernel kills the sandbox's processes before those of the host.

    Its oom_score_adj is neither below 0 nor below that of the process that started it.
    On cgroup v1 the OOM killer is on for its cgroup: without it, tasks at the limit hang and keep all that they hold.
    A process with CAP_SYS_RESOURCE may lower its own value: cap.baseline judges it.
    """
    if not sandbox.shares_kernel:
        return
    own, hosts = sandbox.subject.oom_score_adj, host_facts.process.oom_score_adj
    if own < min(0, hosts):
        raise Open(f"oom_score_adj={own}: the kernel kills processes of the host, which have {hosts}, before its own")
    if sandbox.outside.limits.memory.oom_kill_disable:
        raise Open("oom_kill_disable=1: at its memory limit its tasks hang, and keep what they hold")
