"""Checks of limits: set, shown and in force, under a real and bounded load in another sandbox (cgroups(7))."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.errors import UnobservedFact
from provisioner.limits.limit import Limit, limit_named
from provisioner.limits.measured import beyond
from provisioner.observed import Unobserved
from provisioner.sandboxes.ways import why_not_tried
from pytest_isolation.policy.policy import NOT_PUSHED
from pytest_isolation.policy.raised import Ignored, Open, Refused
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.cgroups import raised, ways_out
from pytest_isolation.walls.filesystem.mounts import CGROUP_TYPES
from pytest_isolation.walls.limits import unbounded_in_memory, why_not_in_force


@pytest.mark.isolation_active(only_own=True)
@pytest.mark.isolation(
    "lim.memory",
    severity="high",
    profile="baseline",
    gains="takes the host's memory until the kernel kills others",
    refs=["Documentation/admin-guide/cgroup-v2.rst", "CIS Docker 5.11"],
    shows=["limits.memory"],
    reproduce="cat /proc/PID/cgroup; cat memory.max memory.events    # on the host, of that cgroup",
    remedy="set a memory limit on a host that delegates its memory controller",
)
def test_memory_limit_is_in_force(sandbox: SandboxView) -> None:
    """
    The sandbox cannot use more memory than its limit.

    A child touches memory up to 125 % of the limit, 1 MiB at a time.
    The kernel must kill it below the limit and count the kill.
    The limit of a VM is its memory.
    A sandbox of a user's own without a limit is open.  A limit of an attached one is unknown: declared, not pushed.
    """
    judge_limit(sandbox, "memory")


@pytest.mark.isolation_active(only_own=True)
@pytest.mark.isolation(
    "lim.swap",
    severity="medium",
    profile="baseline",
    gains="takes more than its memory limit by pushing memory out to the host's swap",
    refs=["Documentation/admin-guide/cgroup-v2.rst", "Docker docs, Resource constraints", "CIS Docker 5.11"],
    shows=["limits.swap", "limits.memory"],
    reproduce="cat /proc/PID/cgroup; cat memory.max memory.swap.max    # on the host, of that cgroup",
    remedy="limit memory and swap together, on a host that counts swap (swapaccount=1 on cgroup v1)",
)
def test_swap_limit_is_in_force(sandbox: SandboxView) -> None:
    """
    The memory limit does not grow by swap.

    A child touches memory up to 125 % of what memory and swap may be together.
    The kernel must kill it below that.
    On a host without swap the load ends at the memory limit: then the shown limit alone decides.
    A sandbox of a user's own whose memory grows by swap is open.
    """
    judge_limit(sandbox, "swap")


@pytest.mark.isolation_active(only_own=True)
@pytest.mark.isolation(
    "lim.cpu",
    severity="medium",
    profile="baseline",
    gains="takes processor time that belongs to others",
    refs=["Documentation/admin-guide/cgroup-v2.rst", "CIS Docker 5.12"],
    shows=["limits.cpu"],
    reproduce="cat /proc/PID/cgroup; cat cpu.max cpu.stat    # on the host, of that cgroup",
    remedy="set a CPU quota on a host that delegates its cpu controller",
)
def test_cpu_limit_is_in_force(sandbox: SandboxView) -> None:
    """
    The sandbox cannot use more CPU time than its quota.

    One busy process for each CPU of the host runs.
    CPU time divided by elapsed time must stay within 10 % of the limit, and the kernel must have throttled them.
    A sandbox of a user's own without a limit is open.  A limit of an attached one is unknown: declared, not pushed.
    """
    judge_limit(sandbox, "cpu")


@pytest.mark.isolation_active(only_own=True)
@pytest.mark.isolation(
    "lim.cpuset",
    severity="medium",
    profile="restricted",
    gains="runs on processors that belong to others, and shares their caches",
    refs=["cpuset(7)", "Documentation/admin-guide/cgroup-v2.rst", "sched_setaffinity(2)"],
    shows=["limits.cpuset", "process.cpus_allowed"],
    reproduce="grep Cpus_allowed_list /proc/PID/status; cat cpuset.cpus.effective    # on the host, of its cgroup",
    remedy="give it a cpuset on a host that delegates its cpuset controller; an affinity alone is no bound",
)
def test_cpuset_is_in_force(sandbox: SandboxView) -> None:
    """
    The sandbox runs only on the processors of its set.

    The load asks for each processor of the host, one after the other and then for all, and notes where it ran.
    Where the host has one processor, it is not applicable.
    """
    judge_limit(sandbox, "cpuset")


@pytest.mark.isolation_active(only_own=True)
@pytest.mark.isolation(
    "lim.pids",
    severity="high",
    profile="baseline",
    gains="forks until no other process can",
    refs=["Documentation/admin-guide/cgroup-v2.rst", "CIS Docker 5.29"],
    shows=["limits.pids"],
    reproduce="cat /proc/PID/cgroup; cat pids.max pids.events    # on the host, of that cgroup",
    remedy="set a limit of tasks on a host that delegates its pids controller",
)
def test_pids_limit_is_in_force(sandbox: SandboxView) -> None:
    """
    A fork storm stops at the limit.

    The load forks sleeping children until fork(2) fails with EAGAIN, at most twice the limit, and ends them all.
    A sandbox of a user's own without a limit is open.  A limit of an attached one is unknown: declared, not pushed.
    """
    judge_limit(sandbox, "pids")


@pytest.mark.isolation_active(only_own=True)
@pytest.mark.isolation(
    "lim.files",
    severity="medium",
    profile="restricted",
    gains="opens files until the host's table of open files is full",
    refs=["getrlimit(2)", "proc_sys_fs(5)", "CIS Docker 5.19"],
    shows=["limits.files"],
    reproduce="grep 'open files' /proc/PID/limits    # on the host",
    remedy="set RLIMIT_NOFILE, the hard value too, and leave CAP_SYS_RESOURCE out",
)
def test_file_limit_is_in_force(sandbox: SandboxView) -> None:
    """
    A process opens no more files than its hard limit.

    The load raises its soft limit to the hard one, tries to raise the hard one, and duplicates a descriptor until
    that fails with EMFILE.
    With CAP_SYS_RESOURCE over the host a process raises its own limits.
    A limit of an attached sandbox is unknown: declared, not pushed.
    """
    judge_limit(sandbox, "files")


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "lim.memory_escape",
    severity="high",
    profile="baseline",
    gains="takes memory of the host that its limit does not count",
    refs=["Documentation/admin-guide/cgroup-v2.rst, Memory Ownership", "memfd_create(2)", "shmget(2)", "pipe(7)"],
    kinds=["container"],
    kinds_reason="all memory of a VM's kernel is the VM's own",
    shows=["loads.memory.ways"],
    reproduce="cat /proc/PID/cgroup; cat memory.peak memory.stat    # on the host, of that cgroup",
    remedy="run a kernel that charges it to the memory cgroup, without cgroup.memory=nokmem and nosocket",
)
def test_no_way_of_taking_memory_escapes_the_limit(sandbox: SandboxView) -> None:
    """
    No way of taking memory goes beyond the memory limit.

    Grandchildren in sessions of their own, memfd, System V segments, /dev/shm, pipes and unix sockets each take up to
    125 % of the limit, and hold it.  What living processes hold at once must stay below the limit.
    It does not apply where the plain load of lim.memory ends the whole sandbox, nor to a limit of more than 256 MiB
    that a user's own command line sets: six such loads would take more from the host than a test may.
    """
    if reason := sandbox.target.cannot.get("limits.memory"):
        pytest.skip(reason)
    memory = limit_named("memory")
    if sandbox.target.command:
        declared = memory.declared(sandbox.outside.limits)
        if why := "it has no memory limit: lim.memory" if declared is None else why_not_tried(memory, declared):
            pytest.skip(why)
    load = sandbox.load("memory")
    if load.refused:
        return  # no sandbox runs with it: lim.memory
    if ways := beyond(load, load.limit + 1):
        raise Open(f"{', '.join(ways)} bytes under a limit of {load.limit:.0f}")
    if load.shown is None or (load.ended == "end of stream" and isinstance(load.raw("ways"), Unobserved)):
        pytest.skip("the host shows no cgroup of it, or the plain load of lim.memory ends the whole sandbox")
    for name in memory.ways:
        load.ways[name]  # it must have been observed


@pytest.mark.isolation(
    "lim.cgroup_leave",
    severity="critical",
    profile="baseline",
    gains="moves its processes to a cgroup without limits, or raises its own limits",
    refs=["cgroups(7)", "Documentation/admin-guide/cgroup-v2.rst, Delegation Containment", "CVE-2021-4197"],
    kinds=["container"],
    kinds_reason="a VM's cgroups are its own kernel's",
    shows=["process.cgroups", "system.paths[cgroup.procs:/sys/fs/cgroup]"],
    reproduce="sh -c ': 1<>/sys/fs/cgroup/cgroup.procs; : 1<>/sys/fs/cgroup/memory.max'",
    remedy="mount the cgroup tree read-only, with a cgroup namespace: drop --privileged, --cgroupns=host and -v of it",
)
def test_sandbox_stays_in_its_cgroup(sandbox: SandboxView) -> None:
    """
    The sandbox cannot leave its cgroup nor raise its own limits.

    At every cgroup mount that it sees, the probe opens cgroup.procs of each cgroup above its own, and the limit files
    of its own.  It writes nothing.
    A sandbox that may mount a hierarchy itself is judged by cap.sys_admin and path.release_agent.
    """
    if not sandbox.shares_kernel:
        return
    process = sandbox.subject
    if any(mount.fstype in CGROUP_TYPES for mount in process.mounts):
        if out := ways_out(process.mounts, process.cgroups, sandbox.system.paths):
            raise Open(f"it may leave its cgroup: {', '.join(out[:4])} opens for writing")
        own_namespace = sandbox.namespaces.cgroup != sandbox.host.namespaces.cgroup
        at_root = own_namespace and all(one.path == "/" for one in sandbox.inside.process.cgroups)
        if files := raised(process.mounts, process.cgroups, sandbox.system.paths, at_root):
            raise Open(f"it may raise its own limits: {', '.join(files[:4])} opens for writing")


@pytest.mark.isolation_active(only_own=True)
@pytest.mark.isolation(
    "lim.nproc",
    severity="low",
    profile="restricted",
    gains="forks until its user, whom others share, can start no task",
    refs=["getrlimit(2)", "user_namespaces(7)", "credentials(7)"],
    shows=["limits.nproc", "process.uid"],
    reproduce="grep 'Max processes' /proc/PID/limits    # on the host",
    remedy="limit the tasks of its cgroup, which binds every user; RLIMIT_NPROC does not bind the host's root",
)
def test_nproc_limit_is_in_force(sandbox: SandboxView) -> None:
    """
    Its user has no more tasks than the hard limit.

    The load forks sleeping children until fork(2) fails with EAGAIN, at most twice the limit, in a sandbox without
    limits of tasks and memory.  The user's other tasks count too.
    The kernel does not bind the host's root by it: there it is ignored.
    """
    judge_limit(sandbox, "nproc")


@pytest.mark.isolation_active(only_own=True)
@pytest.mark.isolation(
    "lim.core",
    severity="low",
    profile="restricted",
    gains="fills the disk below it with core files, which hold what its processes had in memory",
    refs=["core(5)", "getrlimit(2)"],
    shows=["limits.core"],
    reproduce="grep 'core file' /proc/PID/limits    # on the host",
    remedy="set RLIMIT_CORE, the hard value too, and leave CAP_SYS_RESOURCE out",
)
def test_core_limit_is_in_force(sandbox: SandboxView) -> None:
    """
    A crash leaves no core file that is larger than the hard limit.

    One process raises its soft limit to the hard one, tries to raise the hard one, and ends by SIGABRT in a folder
    of its own, with more memory than the limit.  Its core file is measured and deleted.
    Where the host hands cores to a program, nothing crashes and the check is not applicable.
    """
    judge_limit(sandbox, "core")


@pytest.mark.isolation_active(only_own=True)
@pytest.mark.isolation(
    "lim.shm",
    severity="medium",
    profile="baseline",
    gains="fills the host's memory through /dev/shm",
    refs=["tmpfs(5)", "shm_overview(7)", "Documentation/filesystems/tmpfs.rst"],
    shows=["limits.shm"],
    reproduce="grep ' /dev/shm ' /proc/PID/mountinfo    # on the host: size=",
    remedy="mount /dev/shm with a size",
)
def test_shm_size_is_in_force(sandbox: SandboxView) -> None:
    """
    What the sandbox writes to /dev/shm stays below its size.

    The load writes a file without a name up to the size and 1 MiB more.  ENOSPC must end it.
    A sandbox of a user's own without a size is open; one without a /dev/shm is not applicable.
    """
    judge_limit(sandbox, "shm")


@pytest.mark.isolation(
    "lim.tmpfs",
    severity="medium",
    profile="baseline",
    kinds=["container"],
    kinds_reason="a VM's memory is its own kernel's",
    gains="fills half of the host's memory by writing files",
    refs=["tmpfs(5)", "Documentation/filesystems/tmpfs.rst", "Documentation/admin-guide/cgroup-v2.rst"],
    shows=["process.mounts", "limits.memory"],
    reproduce="grep ' - tmpfs ' /proc/self/mountinfo    # inside: rw without size=; memory.max of its cgroup",
    remedy="mount each tmpfs with a size, or limit the memory of the sandbox",
)
def test_tmpfs_is_bounded(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Each tmpfs that the sandbox may write has a size, or its memory is limited.

    A tmpfs without a size grows to half of the host's memory, a ramfs without bound.
    What is in them is charged to the memory cgroup of the writer, so a memory limit bounds them too.
    A tmpfs of the host's that is shared with it is the host's: mnt.host_paths reports it.
    """
    if not sandbox.shares_kernel:
        return
    unbounded = unbounded_in_memory(sandbox.process.mounts, host_facts.process.mounts)
    if unbounded and sandbox.outside.limits.memory.limit is None:
        raise Open(f"{', '.join(unbounded)}: no size, and no limit of memory")


def judge_limit(sandbox: SandboxView, name: str) -> None:
    """
    Check one limit, for the check of each limit.

    Args:
        sandbox: the view of the target.
        name: the limit's name: "memory".

    Raises:
        Refused: the runtime refused the limit.
        Ignored: the runtime accepted the limit, and it is not in force.
        UnobservedFact: the load cannot tell.
    """
    if reason := sandbox.target.cannot.get(f"limits.{name}"):
        pytest.skip(reason)
    if sandbox.target.attached:
        _judge_declared(sandbox, name)
        return
    limit = limit_named(name)
    if sandbox.target.command:
        _require_declared(sandbox, limit)
    load = sandbox.load(name)
    if load.refused:
        raise Refused(load.refused)
    if reason := limit.why_not_applicable(load):
        pytest.skip(reason)
    if why := why_not_in_force(load, name):
        raise Ignored(why)


def _judge_declared(sandbox: SandboxView, name: str) -> None:
    """
    Judge the limit of a sandbox that this run did not make: without one it is open.

    No load is pushed in it, so a limit that its cgroup declares may or may not be in force.
    """
    limit = limit_named(name)
    _require_declared(sandbox, limit)
    amount = limit.declared(sandbox.outside.limits)
    raise UnobservedFact(
        f"whether the {name} limit is in force", "", f"declared: {amount:.12g} {limit.unit}; {NOT_PUSHED}"
    )


def _require_declared(sandbox: SandboxView, limit: Limit[Any]) -> None:
    """Raise Open for a sandbox of a user's own without the limit; skip where it has nothing to limit."""
    files = sandbox.outside.limits
    if reason := limit.why_no_object(files):
        pytest.skip(reason)
    if why := limit.why_unbounded(files):
        raise Open(why)
