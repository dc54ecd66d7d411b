"""Checks of namespaces: what the sandbox has of its own (namespaces(7)).

The identity of a namespace is the pair of boot id and inode.
Initial namespaces have the same inodes in every kernel, so the boot id tells a VM's namespaces from the host's.
The host reads the inodes where it sees the subject.
An engine's daemon may live in namespaces of its own: what it calls the host's are then those.
"""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.filesystem.copies import shows_processes
from pytest_isolation.walls.filesystem.origins import hidden, topmost


def _judge_keeper(sandbox: SandboxView, kind: str, word: str) -> None:
    """Judge whether the sandbox is in a namespace of its engine's daemon that is not the host's."""
    if not sandbox.has_outside:
        return
    found = next((one for one in sandbox.subject.keeper if one.kind == kind), None)
    if found is not None:
        where = f"process {found.pid} ({found.name}), which is the host's to its engine"
        raise Open(f"it lives in the {word} namespace of {where}")


@pytest.mark.isolation(
    "ns.pid",
    severity="critical",
    profile="baseline",
    gains="sees every process of the host; as the same user or root it also signals and reads them",
    refs=["pid_namespaces(7)", "CIS Docker 5.16"],
    shows=["process.namespaces.pid", "process.nspid", "system.processes"],
    reproduce="readlink /proc/self/ns/pid",
    remedy="give it its own pid namespace: drop --pid=host",
)
def test_processes_outside_are_invisible(sandbox: SandboxView, host_facts: HostView) -> None:
    """Processes outside are invisible."""
    if sandbox.namespaces.pid == host_facts.namespaces.pid:
        raise Open("it lives in the host's pid namespace")


@pytest.mark.isolation(
    "ns.pid.procfs",
    severity="critical",
    profile="baseline",
    gains="reads other processes' /proc entries: command lines, environments, open files",
    refs=["proc(5)", "pid_namespaces(7)", "CIS Docker 5.6"],
    kinds=["container"],
    kinds_reason="a VM's /proc is its own kernel's",
    shows=["process.pid", "process.nspid", "system.proc_self", "system.processes"],
    reproduce="grep NSpid /proc/self/status; grep ' /proc ' /proc/self/mountinfo",
    remedy="mount a new proc inside its pid namespace instead of binding the host's /proc",
)
def test_proc_belongs_to_its_own_pid_namespace(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The /proc seen belongs to the sandbox's own pid namespace.

    Each proc superblock belongs to one pid namespace.
    The host's mount table shows whether a procfs of the sandbox is the host's own superblock; parts of it without
    processes (/proc/sys) do not count.
    Inside, NSpid has one number and /proc/self is getpid() only if the reader's /proc and pid namespace agree.
    """
    if sandbox.namespaces.pid == host_facts.namespaces.pid:
        raise Open("its /proc is that of the host's pid namespace")
    hosts = {(m.major, m.minor) for m in host_facts.process.mounts if m.fstype == "proc"}
    proc = topmost(sandbox.process.mounts, "/proc")
    if not sandbox.shares_kernel:
        hosts = set()
    if proc is not None and (proc.major, proc.minor) in hosts:
        raise Open("its /proc is the host's own, mounted again")
    mounts = sandbox.process.mounts
    unreached = hidden(mounts)  # bubblewrap binds the host's /proc with its root, and mounts its own over it
    further = [
        one.target
        for one in mounts
        if shows_processes(one) and (one.major, one.minor) in hosts and one.id not in unreached
    ]
    if further:
        raise Open(f"{further[0]} shows the host's processes")
    depth = len(sandbox.inside.process.nspid)
    if depth != 1:
        raise Open(f"its /proc belongs to a pid namespace {depth - 1} levels above its own")
    own, link = sandbox.inside.process.pid, sandbox.system.proc_self
    if link != str(own):
        raise Open(f"/proc/self reads {link}, the reader's own pid is {own}")


@pytest.mark.isolation(
    "ns.net",
    severity="critical",
    profile="baseline",
    gains="reaches services on the host's loopback and changes its interfaces, routes and firewall",
    refs=["network_namespaces(7)", "CIS Docker 5.10"],
    shows=["process.namespaces.net", "process.keeper", "system.interfaces"],
    reproduce="readlink /proc/self/ns/net",
    remedy="give it its own network namespace: drop --network=host",
)
def test_network_is_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """Network devices, addresses, routes and sockets are the sandbox's own."""
    if sandbox.namespaces.net == host_facts.namespaces.net:
        raise Open("it lives in the host's network namespace")
    _judge_keeper(sandbox, "net", "network")


@pytest.mark.isolation(
    "ns.mnt",
    severity="critical",
    profile="baseline",
    gains="changes what the host's own processes see at their paths",
    refs=["mount_namespaces(7)"],
    shows=["process.namespaces.mnt", "process.root"],
    reproduce="readlink /proc/self/ns/mnt",
    remedy="give it its own mount namespace: unshare --mount, or an OCI config with a mount namespace",
)
def test_mount_table_is_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """The mount table is the sandbox's own."""
    if sandbox.namespaces.mnt == host_facts.namespaces.mnt:
        raise Open("it lives in the host's mount namespace")


@pytest.mark.isolation(
    "ns.ipc",
    severity="high",
    profile="baseline",
    gains="reads and writes shared memory of the host's processes",
    refs=["ipc_namespaces(7)", "CIS Docker 5.17"],
    shows=["process.namespaces.ipc", "process.keeper"],
    reproduce="readlink /proc/self/ns/ipc",
    remedy="give it its own IPC namespace: drop --ipc=host",
)
def test_ipc_objects_are_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """System V IPC objects and POSIX message queues are the sandbox's own."""
    if sandbox.namespaces.ipc == host_facts.namespaces.ipc:
        raise Open("it lives in the host's IPC namespace")
    _judge_keeper(sandbox, "ipc", "IPC")


@pytest.mark.isolation(
    "ns.uts",
    severity="medium",
    profile="baseline",
    gains="renames the host",
    refs=["uts_namespaces(7)", "CIS Docker 5.21"],
    shows=["process.namespaces.uts", "process.keeper", "system.hostname"],
    reproduce="readlink /proc/self/ns/uts; hostname",
    remedy="give it its own UTS namespace: drop --uts=host",
)
def test_host_name_is_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """The host name is the sandbox's own: setting it does not change the host's."""
    if sandbox.namespaces.uts == host_facts.namespaces.uts:
        raise Open("it lives in the host's UTS namespace")
    _judge_keeper(sandbox, "uts", "UTS")


@pytest.mark.isolation(
    "ns.cgroup",
    severity="medium",
    profile="baseline",
    gains="learns its place in the host's cgroup tree, and the names of other cgroups",
    refs=["cgroup_namespaces(7)"],
    kinds=["container"],
    kinds_reason="a VM's cgroups are its own kernel's",
    shows=["process.namespaces.cgroup", "process.keeper", "process.cgroups"],
    reproduce="readlink /proc/self/ns/cgroup; cat /proc/self/cgroup",
    remedy="give it its own cgroup namespace: --cgroupns=private",
)
def test_cgroup_path_above_is_hidden(sandbox: SandboxView, host_facts: HostView) -> None:
    """The cgroup path above the sandbox is hidden."""
    if sandbox.namespaces.cgroup == host_facts.namespaces.cgroup:
        raise Open("it lives in the host's cgroup namespace")
    _judge_keeper(sandbox, "cgroup", "cgroup")


@pytest.mark.isolation(
    "ns.user",
    severity="high",
    profile="restricted",
    gains="keeps its user id on the host when another wall fails",
    refs=["user_namespaces(7)", "CIS Docker 2.9", "CIS Docker 5.31"],
    shows=["process.namespaces.user", "process.uid_map"],
    reproduce="readlink /proc/self/ns/user; cat /proc/self/uid_map",
    remedy="run it in a user namespace: rootless, --userns=auto, or userns-remap",
)
def test_user_namespace_is_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """The sandbox lives in a user namespace other than the initial one."""
    if sandbox.namespaces.user == host_facts.namespaces.user:
        raise Open("it lives in the host's user namespace")


@pytest.mark.isolation(
    "ns.time",
    severity="low",
    profile="restricted",
    gains="sees how long the host has been up, which hints at its patch level",
    refs=["time_namespaces(7)"],
    shows=["process.namespaces.time", "process.keeper"],
    reproduce="readlink /proc/self/ns/time; cat /proc/self/timens_offsets",
    remedy="docker 29.5 and newer create one; otherwise lxc.time.offset.boot, an OCI time namespace, unshare --time",
)
def test_clocks_are_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Boot and monotonic clocks are the sandbox's own.

    Without a time namespace they show how long the host has been up.
    Linux before 5.6 has no time namespaces.
    """
    own, hosts = sandbox.namespaces.time, host_facts.namespaces.time
    if hosts.inode is None and sandbox.shares_kernel:
        pytest.skip("this kernel has no time namespaces")
    if own == hosts:
        raise Open("it lives in the host's time namespace")
    _judge_keeper(sandbox, "time", "time")
