"""Ways between namespaces: what leads out of the sandbox's own, who rules them, who else is in them.

What it has of its own, test_namespaces.py asks.
"""

from __future__ import annotations

import pytest

from provisioner.facts.namespaces import NAMESPACES, OWNED
from provisioner.facts.process import Process
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.tasks import described, elsewhere


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
