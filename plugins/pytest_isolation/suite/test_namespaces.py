"""Namespaces: what the sandbox has of its own (namespaces(7)).

A namespace's identity is the pair of boot id and inode: initial namespaces have equal inodes in every kernel, so a
VM's differ from the host's by its boot id.  Inodes are the host's own reading where it sees the subject.
"""

from __future__ import annotations

import pytest

from provisioner.sandboxes.facts import NAMESPACES, Process
from provisioner.sandboxes.facts_namespaces import OWNED
from pytest_isolation.view import HostView, SandboxView
from pytest_isolation.walls.mounts import topmost
from pytest_isolation.walls.tasks import described, elsewhere


@pytest.mark.isolation(
    "ns.pid",
    severity="critical",
    profile="baseline",
    gains="sees, and as the same user or root signals and reads, every process of the host",
    refs=["pid_namespaces(7)", "CIS Docker 5.16"],
    shows=["process.namespaces.pid", "process.nspid", "system.processes"],
    reproduce="readlink /proc/self/ns/pid",
    remedy="give it its own pid namespace: drop --pid=host",
)
def test_processes_outside_are_invisible(sandbox: SandboxView, host_facts: HostView) -> None:
    """Processes outside are invisible."""
    assert sandbox.namespaces.pid != host_facts.namespaces.pid, "it lives in the host's pid namespace"


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

    Each proc superblock belongs to one pid namespace.  The host's mount table shows whether the sandbox's /proc is
    the host's own superblock; inside, NSpid has one number and /proc/self reads getpid() only when the reader's /proc
    and pid namespace agree.
    """
    assert sandbox.namespaces.pid != host_facts.namespaces.pid, "its /proc is that of the host's pid namespace"
    hosts = {(m.major, m.minor) for m in host_facts.process.mounts if m.fstype == "proc"}
    proc = topmost(sandbox.process.mounts, "/proc")
    if not sandbox.shares_kernel:
        hosts = set()
    assert proc is None or (proc.major, proc.minor) not in hosts, "its /proc is the host's own, mounted again"
    depth = len(sandbox.inside.process.nspid)
    assert depth == 1, f"its /proc belongs to a pid namespace {depth - 1} levels above its own"
    own, link = sandbox.inside.process.pid, sandbox.system.proc_self
    assert link == str(own), f"/proc/self reads {link}, the reader's own pid is {own}"


@pytest.mark.isolation(
    "ns.net",
    severity="critical",
    profile="baseline",
    gains="reaches services on the host's loopback and changes its interfaces, routes and firewall",
    refs=["network_namespaces(7)", "CIS Docker 5.10"],
    shows=["process.namespaces.net", "system.interfaces"],
    reproduce="readlink /proc/self/ns/net",
    remedy="give it its own network namespace: drop --network=host",
)
def test_network_is_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """Network devices, addresses, routes and sockets are its own."""
    assert sandbox.namespaces.net != host_facts.namespaces.net, "it lives in the host's network namespace"


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
    """The mount table is its own."""
    assert sandbox.namespaces.mnt != host_facts.namespaces.mnt, "it lives in the host's mount namespace"


@pytest.mark.isolation(
    "ns.ipc",
    severity="high",
    profile="baseline",
    gains="reads and writes shared memory of the host's processes",
    refs=["ipc_namespaces(7)", "CIS Docker 5.17"],
    shows=["process.namespaces.ipc"],
    reproduce="readlink /proc/self/ns/ipc",
    remedy="give it its own IPC namespace: drop --ipc=host",
)
def test_ipc_objects_are_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """SysV IPC and POSIX queues are its own."""
    assert sandbox.namespaces.ipc != host_facts.namespaces.ipc, "it lives in the host's IPC namespace"


@pytest.mark.isolation(
    "ns.uts",
    severity="medium",
    profile="baseline",
    gains="renames the host",
    refs=["uts_namespaces(7)", "CIS Docker 5.21"],
    shows=["process.namespaces.uts", "system.hostname"],
    reproduce="readlink /proc/self/ns/uts; hostname",
    remedy="give it its own UTS namespace: drop --uts=host",
)
def test_host_name_is_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """Host name is its own and setting it does not change the host's."""
    assert sandbox.namespaces.uts != host_facts.namespaces.uts, "it lives in the host's UTS namespace"


@pytest.mark.isolation(
    "ns.cgroup",
    severity="medium",
    profile="baseline",
    gains="learns where it stands in the host's cgroup tree, and the names of what runs beside it",
    refs=["cgroup_namespaces(7)"],
    kinds=["container"],
    kinds_reason="a VM's cgroups are its own kernel's",
    shows=["process.namespaces.cgroup", "process.cgroups"],
    reproduce="readlink /proc/self/ns/cgroup; cat /proc/self/cgroup",
    remedy="give it its own cgroup namespace: --cgroupns=private",
)
def test_cgroup_path_above_is_hidden(sandbox: SandboxView, host_facts: HostView) -> None:
    """The cgroup path above it is hidden."""
    assert sandbox.namespaces.cgroup != host_facts.namespaces.cgroup, "it lives in the host's cgroup namespace"


@pytest.mark.isolation(
    "ns.user",
    severity="high",
    profile="restricted",
    gains="is, with a hole in any other wall, the user that it is inside",
    refs=["user_namespaces(7)", "CIS Docker 2.9", "CIS Docker 5.31"],
    shows=["process.namespaces.user", "process.uid_map"],
    reproduce="readlink /proc/self/ns/user; cat /proc/self/uid_map",
    remedy="run it in a user namespace: rootless, --userns=auto, or userns-remap",
)
def test_user_namespace_is_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """It lives in a user namespace other than the initial one."""
    assert sandbox.namespaces.user != host_facts.namespaces.user, "it lives in the host's user namespace"


@pytest.mark.isolation(
    "ns.time",
    severity="low",
    profile="restricted",
    gains="sees how long the host has been up, which tells its patch level",
    refs=["time_namespaces(7)"],
    shows=["process.namespaces.time"],
    reproduce="readlink /proc/self/ns/time; cat /proc/self/timens_offsets",
    remedy="docker 29.5 and newer make one; else lxc.time.offset.boot, an OCI time namespace, unshare --time",
)
def test_clocks_are_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Boot and monotonic clocks are its own.

    Without it they tell how long the host is up, which neighbours see too.  A kernel older than 5.6 has no such kind.
    """
    own, hosts = sandbox.namespaces.time, host_facts.namespaces.time
    if hosts.inode is None and sandbox.shares_kernel:
        pytest.skip("this kernel has no time namespaces")
    assert own != hosts, "it lives in the host's time namespace"


@pytest.mark.isolation(
    "ns.join",
    severity="critical",
    profile="baseline",
    gains="enters a namespace of the host through the open door",
    refs=["setns(2)", "namespaces(7)", "CVE-2024-21626"],
    kinds=["container"],
    kinds_reason="a VM's namespaces are its own kernel's",
    shows=["process.fds", "process.mounts", "process.namespaces"],
    reproduce="ls -l /proc/PID/fd | grep ':\\['; grep nsfs /proc/PID/mountinfo    # on the host",
    remedy="bind neither /proc/PID/ns, /run/netns nor an engine's netns folder; close descriptors before it starts",
)
def test_nothing_leads_to_a_namespace_outside(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    No path or descriptor leads to a host namespace.

    A bind of a namespace is a mount of nsfs whose root names it, a descriptor's link does (namespaces(7)); setns(2)
    enters what either leads to.  A descriptor of any namespace but its own counts, and of the mounts those of the
    host's own namespaces and of such that the host's mount table holds too: what an engine inside mounts of its own
    containers' leads down, not out.
    """
    process = sandbox.process
    own = {f"{kind}:[{getattr(sandbox.namespaces, kind).inode}]" for kind in NAMESPACES}
    hosts = {f"{kind}:[{getattr(host_facts.namespaces, kind).inode}]" for kind in NAMESPACES}
    named = {mount.root for mount in host_facts.process.mounts if mount.fstype == "nsfs"}
    doors = [
        f"{mount.target} leads to {mount.root}"
        for mount in process.mounts
        if mount.fstype == "nsfs" and mount.root in (hosts | named) - own
    ]
    doors += [
        f"descriptor {fd.fd} leads to {fd.target}"
        for fd in (*process.fds, *sandbox.inside.process.fds)
        if is_namespace(fd.target) and fd.target not in own
    ]
    assert not doors, "; ".join(dict.fromkeys(doors))


@pytest.mark.isolation(
    "ns.owner",
    severity="high",
    profile="baseline",
    gains="acts with its capabilities on a namespace that it was not meant to rule",
    refs=["user_namespaces(7)", "ioctl_nsfs(2)", "moby daemon/oci_linux.go: WithNamespaces"],
    kinds=["container"],
    kinds_reason="a VM's namespaces are its own kernel's",
    shows=["process.owners", "process.user_parents", "process.namespaces"],
    reproduce="lsns -o NS,TYPE,ONS -p PID    # on the host, PID of the sandbox's process",
    remedy="when it joins another's namespace, join its user namespace too; make namespaces after the user namespace",
)
def test_no_other_user_namespace_owns_its_namespaces(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    No namespace of it is owned by another's user namespace.

    A process has its capabilities over a namespace when it holds them in the user namespace that owns it
    (user_namespaces(7), "Interaction of user namespaces and other types of namespaces").  So the owner may be the
    sandbox's own user namespace, or one above it, which only takes power from the sandbox; but root of any other may
    enter the namespace, mount over its files, or rule its network.  What it has in common with the host is the finding
    of that kind's own check.
    """
    process = sandbox.process
    strange = []
    for kind in OWNED:
        if getattr(sandbox.namespaces, kind) == getattr(host_facts.namespaces, kind):
            continue
        owner = getattr(process.owners, kind)
        if owner not in (None, process.namespaces.user) and owner not in process.user_parents:
            strange.append(kind)
    assert not strange, f"another user namespace owns its {', '.join(strange)} namespace"


@pytest.mark.isolation(
    "ns.peer",
    severity="critical",
    profile="baseline",
    gains="attacks its neighbour as if it were in the same sandbox",
    refs=["namespaces(7)", "CIS Docker 5.16", "CIS Docker 5.17"],
    shows=["process.namespaces"],
    reproduce="ls -l /proc/self/ns    # in both",
    remedy="do not join another sandbox's namespaces: drop --pid/--network/--ipc=container:NAME",
)
def test_no_namespace_is_shared_with_a_neighbour(sandbox: SandboxView, peer: SandboxView, host_facts: HostView) -> None:
    """
    No namespace is shared with a neighbour.

    A kind that both share with the host is the finding of that kind's own check, not of this one.
    """
    if reason := sandbox.target.cannot.get("peer"):
        pytest.skip(reason)
    shared = []
    for kind in NAMESPACES:
        own, other = getattr(sandbox.namespaces, kind), getattr(peer.namespaces, kind)
        if own.inode is not None and own == other and own != getattr(host_facts.namespaces, kind):
            shared.append(kind)
    assert not shared, f"it shares its {', '.join(shared)} namespace with its peer"


@pytest.mark.isolation(
    "ns.exec_parity",
    severity="high",
    profile="baseline",
    gains="gets processes of an administrator into reach that are less confined than itself",
    refs=["runc-exec(8)", "setns(2)", "CIS Docker 5.24"],
    kinds=["container"],
    kinds_reason="a VM's runtime starts no process inside it",
    shows=["process.namespaces", "process.cgroups"],
    reproduce="docker exec NAME ls -l /proc/self/ns /proc/1/ns",
    remedy="let exec join every namespace and the cgroup of the first process",
)
def test_exec_enters_the_same_namespaces(sandbox: SandboxView) -> None:
    """
    An exec'd process enters the same namespaces and cgroup as pid 1.

    Both are compared as seen from inside, so that paths are relative to the same cgroup namespace.  Of a sandbox that
    was attached to, the first process is seen from outside alone: in a cgroup namespace of its own, where paths begin
    anew, the exec'd process must then be at its root.  Whatever else runs in the sandbox is in its cgroup or below.
    """
    if reason := sandbox.target.cannot.get("exec"):
        pytest.skip(reason)
    attached = sandbox.target.attached
    own, other = sandbox.subject if attached else sandbox.inside.process, sandbox.exec.process
    strange = [kind for kind in NAMESPACES if getattr(own.namespaces, kind) != getattr(other.namespaces, kind)]
    assert not strange, f"an exec'd process lives in another {', '.join(strange)} namespace"
    same = _cgroups(own) == _cgroups(other)
    if attached and sandbox.namespaces.cgroup != sandbox.host.namespaces.cgroup:
        same = set(_cgroups(other).values()) <= {"/"}
    assert same, "an exec'd process lives in another cgroup"
    out = elsewhere(sandbox.subject, sandbox.tasks)
    assert not out, f"{described(out)} lives in another cgroup"


def is_namespace(link: str) -> bool:
    """Whether a descriptor's link is that of a namespace: "net:[4026531840]"."""
    return link.partition(":[")[0] in NAMESPACES and link.endswith("]")


def _cgroups(process: Process) -> dict[tuple[str, ...], str]:
    return {tuple(sorted(line.controllers)): line.path for line in process.cgroups}
