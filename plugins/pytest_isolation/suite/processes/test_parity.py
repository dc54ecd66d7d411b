"""Checks that no process of the sandbox is less confined than its first one: what exec starts, and all others."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls import parity
from pytest_isolation.walls.tasks import first_of, more_than_first, name_task
from pytest_isolation.walls.users import privileged_groups

NO_EXEC = "a VM's runtime starts no process inside it"


@pytest.mark.isolation(
    "proc.exec_parity",
    severity="high",
    profile="baseline",
    gains="waits for an administrator's exec, and takes over the rights that it lacks itself",
    refs=["runc-exec(8)", "credentials(7)", "PR_SET_NO_NEW_PRIVS(2const)", "CVE-2024-21626"],
    kinds=["container"],
    kinds_reason=NO_EXEC,
    shows=["process.no_new_privs", "process.uid", "process.groups", "process.umask", "exec.fds"],
    reproduce="cat /proc/self/status /proc/1/status    # as what exec starts",
    remedy="let exec use the first process's user, groups and no_new_privs, and give it no further descriptors",
)
def test_exec_is_confined_alike(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    An exec'd process has the same ids, groups, no_new_privs, descriptors, root and refusals as pid 1.

    Every fact of the exec'd process is compared, here or by another check of exec; walls/parity.py gives the reason for
    each fact that is not.
    What it gets past (calls, files, devices) is compared if its capabilities and its filter are the same.
    The first process of an attached sandbox may have changed its ids and umask itself: they are not compared.
    """
    if reason := sandbox.target.cannot.get("exec"):
        pytest.skip(reason)
    attached = sandbox.target.attached
    own = sandbox.first
    other, system = sandbox.exec.process, sandbox.exec.system
    found = parity.weaker_than_first(parity.PARITY, own, other, attached)
    if not attached and system is not None:
        found += parity.gets_further(own, other, sandbox.system, system)
    if found and not attached:
        found += parity.groups_of_host(own, other, privileged_groups(host_facts.system.groups or ()))
    if found:
        raise Open(f"an exec'd process {'; '.join(found)}")


@pytest.mark.isolation(
    "proc.exec_limits",
    severity="medium",
    profile="baseline",
    gains="waits for an administrator's exec, which its limits do not bound",
    refs=["getrlimit(2)", "proc_pid_oom_score_adj(5)"],
    kinds=["container"],
    kinds_reason=NO_EXEC,
    shows=["process.rlimits", "process.oom_score_adj"],
    reproduce="cat /proc/self/limits /proc/1/limits    # as what exec starts",
    remedy="let exec use the first process's rlimits and oom_score_adj",
)
def test_exec_is_limited_alike(sandbox: SandboxView) -> None:
    """
    An exec'd process has no higher hard limit and no lower oom_score_adj than pid 1.

    A process raises its soft limit up to the hard one by itself.
    Its cgroup is compared by ns.exec_parity.
    """
    if reason := sandbox.target.cannot.get("exec"):
        pytest.skip(reason)
    attached = sandbox.target.attached
    own = sandbox.first
    found = parity.weaker_than_first(parity.LIMITS, own, sandbox.exec.process, attached)
    if found:
        raise Open(f"an exec'd process {'; '.join(found)}")


@pytest.mark.isolation(
    "lsm.exec_parity",
    severity="high",
    profile="baseline",
    gains="waits for an administrator's exec, which no mandatory-access label confines",
    refs=["apparmor(7)", "selinux(8)", "CVE-2023-28642"],
    kinds=["container"],
    kinds_reason=NO_EXEC,
    shows=["process.lsm", "exec.lsm"],
    reproduce="cat /proc/self/attr/current /proc/1/attr/current    # as what exec starts",
    remedy="drop exec --privileged and --apparmor; let exec use the first process's label",
)
def test_exec_has_the_same_label(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    An exec'd process has the same mandatory-access label as pid 1.

    lsm.confined judges the label of pid 1.
    """
    if reason := sandbox.target.cannot.get("exec"):
        pytest.skip(reason)
    host_label = host_facts.process.lsm
    if not host_label:
        pytest.skip("no confining LSM is active on the host")
    own = sandbox.first
    why = parity.why_other_label(own.lsm, sandbox.exec.process.lsm, host_label)
    if why:
        raise Open(f"{why}; the first one has '{own.lsm}'")


@pytest.mark.isolation(
    "proc.parity",
    severity="high",
    profile="baseline",
    gains="takes over a process beside it that has more rights than it could ever get itself",
    refs=["capabilities(7)", "credentials(7)", "ptrace(2)"],
    kinds=["container"],
    kinds_reason="the processes of a VM are its own kernel's",
    shows=["process.capabilities", "process.uid", "process.groups", "process.no_new_privs", "process.seccomp"],
    reproduce="grep -E 'Uid|Groups|Cap|NoNewPrivs|Seccomp' /proc/PID/status    # on the host, of each process inside",
    remedy="start further processes with the first one's user, capabilities, filter and label, or in another sandbox",
)
def test_no_process_has_more_than_the_first(sandbox: SandboxView) -> None:
    """
    No process of the sandbox has more than its first process could give it.

    This compares capabilities, ids, groups, no_new_privs, the filter and the label of every task.
    With CAP_SETUID the first process gives root's id, with CAP_SETGID any group.
    Without no_new_privs an execve(2) gives what the bounding set holds.
    ns.exec_parity compares the cgroups, ns.* the namespaces, and fd.* the descriptors.
    """
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    subject, tasks = sandbox.subject, sandbox.tasks
    first = first_of(subject, tasks, lambda: sandbox.host.process)
    found = [
        f"{name_task(task)} {', '.join(more)}"
        for task in tasks
        if (more := more_than_first(first, task, lambda: sandbox.host.process))
    ]
    if found:
        raise Open(f"{'; '.join(found[:4])}, which the first process cannot give it")
