"""Checks of the ways between namespaces: what leads to a namespace outside, who owns the namespaces, who shares them.

`test_namespaces.py` checks which namespaces the sandbox has of its own.
"""

from __future__ import annotations

import pytest

from provisioner.facts.namespaces import NAMESPACES, OWNED
from provisioner.facts.process import Process
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls import leads as leads_of
from pytest_isolation.walls.inside_outside import cgroup_differences
from pytest_isolation.walls.tasks import name_first, outside_cgroup

Cgroups = dict[tuple[str, ...], str]  # the path in each hierarchy, by its controllers


@pytest.mark.isolation(
    "ns.join",
    severity="critical",
    profile="baseline",
    gains="enters a namespace of the host through a mount or a descriptor",
    refs=["setns(2)", "namespaces(7)", "CVE-2024-21626"],
    kinds=["container"],
    kinds_reason="a VM's namespaces are its own kernel's",
    shows=["process.fds", "process.mounts", "process.namespaces"],
    reproduce="ls -l /proc/PID/fd | grep ':\\['; grep nsfs /proc/PID/mountinfo    # on the host",
    remedy=(
        "bind neither /proc/PID/ns, /run/netns nor an engine's netns folder; close descriptors before the sandbox "
        "starts"
    ),
)
def test_nothing_leads_to_a_namespace_outside(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    No path or descriptor leads to a host namespace.

    setns(2) enters the namespace that a mount of nsfs or a descriptor refers to.
    The root of the mount and the link of the descriptor name that namespace (namespaces(7)).
    A descriptor of the first process counts if it refers to any namespace other than the sandbox's own.
    A descriptor of another process counts if the namespace is the host's, or if a process outside is in it.
    A mount counts if it refers to a namespace of the host, or if the host's mount table holds the same namespace.
    Other mounts of nsfs belong to an engine inside the sandbox: they lead to its containers.
    """
    process = sandbox.process
    own = {f"{kind}:[{getattr(sandbox.namespaces, kind).inode}]" for kind in NAMESPACES}
    hosts = {f"{kind}:[{getattr(host_facts.namespaces, kind).inode}]" for kind in NAMESPACES}
    named = {mount.root for mount in host_facts.process.mounts if mount.fstype == "nsfs"}
    leads = [
        f"{mount.target} leads to {mount.root}"
        for mount in process.mounts
        if mount.fstype == "nsfs" and mount.root in (hosts | named) - own
    ]
    leads += [
        f"descriptor {fd.fd} leads to {fd.target}"
        for fd in (*process.fds, *(() if sandbox.why_blind else sandbox.inside.process.fds))
        if leads_of.is_namespace(fd.target) and fd.target not in own
    ]
    leads += leads_of.of_tasks(sandbox.tasks, lambda task: leads_of.namespaces(task, hosts))
    if leads:
        raise Open("; ".join(dict.fromkeys(leads)))


@pytest.mark.isolation(
    "ns.owner",
    severity="high",
    profile="baseline",
    gains="uses its capabilities over a namespace that belongs to another",
    refs=["user_namespaces(7)", "ioctl_nsfs(2)", "moby daemon/oci_linux.go: WithNamespaces"],
    kinds=["container"],
    kinds_reason="a VM's namespaces are its own kernel's",
    shows=["process.owners", "process.user_parents", "process.namespaces"],
    reproduce="lsns -o NS,TYPE,ONS -p PID    # on the host, PID of the sandbox's process",
    remedy="if it joins another sandbox's namespaces, join that user namespace too; create the user namespace first",
)
def test_no_other_user_namespace_owns_its_namespaces(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    No foreign user namespace owns a namespace of the sandbox.

    A process has its capabilities over a namespace if it holds them in the user namespace that owns it
    (user_namespaces(7), "Interaction of user namespaces and other types of namespaces").
    The owner may be the sandbox's own user namespace, or a parent of it, which only takes power from the sandbox.
    Root of any other user namespace could enter the namespace, mount over its files or change its network.
    Namespaces that the sandbox shares with the host are findings of the checks of those kinds.
    """
    process = sandbox.process
    strange = []
    for kind in OWNED:
        if getattr(sandbox.namespaces, kind) == getattr(host_facts.namespaces, kind):
            continue
        owner = getattr(process.owners, kind)
        if owner not in (None, process.namespaces.user) and owner not in process.user_parents:
            strange.append(kind)
    if strange:
        raise Open(f"another user namespace owns its {', '.join(strange)} namespace")


@pytest.mark.isolation(
    "ns.peer",
    severity="critical",
    profile="baseline",
    gains="attacks its peer as if both were one sandbox",
    refs=["namespaces(7)", "CIS Docker 5.16", "CIS Docker 5.17"],
    shows=["process.namespaces"],
    reproduce="ls -l /proc/self/ns    # in both",
    remedy="do not join another sandbox's namespaces: drop --pid/--network/--ipc=container:NAME",
)
def test_no_namespace_is_shared_with_its_peer(sandbox: SandboxView, peer: SandboxView, host_facts: HostView) -> None:
    """
    No namespace is shared with a peer.

    If both share a namespace with the host, the check of that kind reports it.
    """
    if reason := sandbox.target.cannot.get("peer"):
        pytest.skip(reason)
    shared = []
    for kind in NAMESPACES:
        own, other = getattr(sandbox.namespaces, kind), getattr(peer.namespaces, kind)
        if own.inode is not None and own == other and own != getattr(host_facts.namespaces, kind):
            shared.append(kind)
    if shared:
        raise Open(f"it shares its {', '.join(shared)} namespace with its peer")


@pytest.mark.isolation(
    "ns.exec_parity",
    severity="high",
    profile="baseline",
    gains="reaches an administrator's processes that are less confined than itself",
    refs=["runc-exec(8)", "setns(2)", "CIS Docker 5.24"],
    kinds=["container"],
    kinds_reason="a VM's runtime starts no process inside it",
    shows=["process.namespaces", "exec.namespaces", "process.cgroups", "exec.cgroups"],
    reproduce="ls -l /proc/self/ns /proc/1/ns    # as what exec starts",
    remedy="let exec join every namespace and the cgroup of the first process",
)
def test_exec_enters_the_same_namespaces(sandbox: SandboxView) -> None:
    """
    An exec'd process enters the same namespaces and cgroup as pid 1.

    Both are compared as seen from inside, so that their paths are relative to the same cgroup namespace.
    Where the first process says something else of itself than the host sees, the host counts.
    The first process of an attached sandbox is only seen from outside.
    If that sandbox has its own cgroup namespace, the exec'd process must be at its root.
    All other tasks of the sandbox must be in its cgroup or below.
    """
    if reason := sandbox.target.cannot.get("exec"):
        pytest.skip(reason)
    own, other = sandbox.first, sandbox.exec.process
    strange = [kind for kind in NAMESPACES if getattr(own.namespaces, kind) != getattr(other.namespaces, kind)]
    if strange:
        raise Open(f"an exec'd process lives in another {', '.join(strange)} namespace")
    mine, theirs = _first_cgroups(sandbox, own, other), _cgroups(other)
    if mine != theirs:
        raise Open(f"an exec'd process lives in another cgroup{_first_difference(mine, theirs)}")
    out = outside_cgroup(sandbox.subject, sandbox.tasks)
    if out:
        raise Open(f"{name_first(out)} lives in another cgroup")


def _first_cgroups(sandbox: SandboxView, own: Process, other: Process) -> Cgroups:
    """Return the cgroups of the first process, as the exec'd one names them if they are the same."""
    if sandbox.target.attached and sandbox.namespaces.cgroup != sandbox.host.namespaces.cgroup:
        return dict.fromkeys(_cgroups(other), "/")
    seen = sandbox.subject.cgroups
    if sandbox.target.boundary != "process" or not cgroup_differences(own.cgroups, seen):
        return _cgroups(own)
    # its own view is wrong, which view.agree reports
    return _cgroups(sandbox.subject if cgroup_differences(other.cgroups, seen) else other)


def _cgroups(process: Process) -> Cgroups:
    return {tuple(sorted(line.controllers)): line.path for line in process.cgroups}


def _first_difference(mine: Cgroups, theirs: Cgroups) -> str:
    """Return the first hierarchy in which two processes are in different cgroups, and both paths."""
    for controllers, path in mine.items():
        if theirs.get(controllers) != path:
            name = ",".join(controllers) or "version 2"
            return f": {theirs.get(controllers)} and not {path} of {name}"
    return ""
