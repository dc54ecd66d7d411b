"""Checks of users: which users the sandbox's processes are on the host (user_namespaces(7), credentials(7))."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.seccomp.passed import filter_seen
from pytest_isolation.walls.tasks import name_first
from pytest_isolation.walls.users import (
    foreign_capabilities,
    groups_held,
    groups_mapped,
    overlaps,
    privileged_groups,
    root_mapped,
)

OVERFLOW_ID = 65534  # kernel.overflowgid: a group that is mapped nowhere


@pytest.mark.isolation(
    "user.root_mapped",
    severity="high",
    profile="restricted",
    gains="is root on the host as soon as one other wall fails",
    refs=["user_namespaces(7)", "CIS Docker 2.9"],
    shows=["process.uid", "process.gid", "process.uid_map", "process.gid_map"],
    reproduce="grep -E '^[UG]id' /proc/PID/status; cat /proc/PID/[ug]id_map    # on the host, of the sandbox's process",
    remedy="map its root to an unprivileged user: rootless, --userns=auto; for a VM run the hypervisor as its own user",
)
def test_root_inside_is_not_root_outside(sandbox: SandboxView) -> None:
    """
    Root inside is not root outside.

    The host's ids decide: a user namespace that maps 0 to 0 (`unshare -Ur` run by root) is no wall.
    The host's uid 0 and gid 0 count at any id inside: a process that may change its ids becomes the host's root there.
    An image that this run made must hold no file with capabilities of the host's root if the sandbox has its own users.
    The root of a VM belongs to its own kernel, so its hypervisor's process must not be root, nor a sentry's.
    """
    if not sandbox.shares_kernel and not sandbox.has_outside:
        if 0 in sandbox.vmm.process.uid:
            raise Open(f"{sandbox.confined_name} runs as root on the host")
        return
    process = sandbox.outside.process
    if 0 in process.uid:
        raise Open("its process runs as the host's root")
    found = [task for task in sandbox.tasks if 0 in task.uid]
    if found:
        raise Open(f"{name_first(found)} runs as the host's root")
    if 0 in process.gid:
        raise Open("its process has the host's group 0")
    mapped = root_mapped(process)
    if mapped:
        raise Open(mapped[0])
    image = None if sandbox.target.attached else sandbox.image
    if image is not None and image.config is None:  # a folder, as the host sees it
        files = foreign_capabilities(image.privileged.files)
        if files:
            raise Open(f"the capabilities of {', '.join(files)} are of the host's root")


@pytest.mark.isolation(
    "user.nonroot",
    severity="medium",
    profile="restricted",
    gains="starts with root's rights inside, which most escapes need",
    refs=["Pod Security Standards: Running as Non-root", "CIS Docker 4.1"],
    shows=["process.uid"],
    reproduce="id -u",
    remedy="run the payload as another user: --user 1000",
)
def test_payload_is_not_uid_0(sandbox: SandboxView) -> None:
    """
    The payload does not run as uid 0.

    The host reads the ids where it sees the process, and its map tells which of them is 0 inside.
    """
    if not sandbox.has_outside:
        if 0 in sandbox.inside.process.uid:
            raise Open("its process runs as uid 0 inside")
    else:
        roots = {line.outside for line in sandbox.subject.uid_map if line.inside == 0}
        if roots.intersection(sandbox.subject.uid):
            raise Open("its process runs as uid 0 inside")
        found = [task for task in sandbox.tasks if roots.intersection(task.uid)]
        if found:
            raise Open(f"{name_first(found)} runs as uid 0 inside")


@pytest.mark.isolation(
    "user.groups",
    severity="high",
    profile="baseline",
    gains="opens what the group may open on the host: disks, the engine's socket, /dev/kvm",
    refs=["credentials(7)", "OCI runtime-spec: process.user.additionalGids", "user_namespaces(7)"],
    kinds=["container"],
    kinds_reason="a VM's groups are its own kernel's",
    shows=["process.gid", "process.groups", "process.gid_map"],
    reproduce="grep -E '^(Gid|Groups)' /proc/PID/status; cat /proc/PID/gid_map; cat /etc/group    # on the host",
    remedy="clear supplementary groups: drop --group-add, keep-groups; setpriv --clear-groups",
)
def test_no_group_of_the_host_is_kept(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    No group of the host is kept or mapped (0, disk, docker, kvm, …).

    The first process has no supplementary group.
    No process is in a privileged group of the host, and its own user namespace maps none, at any id inside.
    The host's /etc/group says which ids these are: a group `docker` has another number on each host.
    A group that the user namespace does not map shows as 65534 inside, but still opens files of the host.
    """
    process = sandbox.process
    names = privileged_groups(host_facts.system.groups or ()) if sandbox.has_outside else {}
    kept = sorted(set(process.groups) - set(process.gid) - {OVERFLOW_ID})
    told = (f"{gid} ({names[gid]})" if gid in names else str(gid) for gid in kept)
    if kept:
        raise Open(f"it kept the supplementary groups {', '.join(told)}")
    if not sandbox.has_outside:
        return
    found = groups_held(process, sandbox.tasks, names)
    if found:
        raise Open(found[0])
    if sandbox.namespaces.user != host_facts.namespaces.user:
        mapped = groups_mapped(process.gid_map, names)
        if mapped:
            raise Open(mapped[0])


@pytest.mark.isolation(
    "user.range_disjoint",
    severity="medium",
    profile="restricted",
    gains="reads and writes its peer's files on any path that both reach",
    refs=["user_namespaces(7)", "subuid(5)", "podman-run(1) --userns=auto"],
    kinds=["container"],
    kinds_reason="a VM's ids are its own kernel's; user.root_mapped checks the user of its hypervisor's process",
    shows=["process.uid_map", "process.gid_map"],
    reproduce="cat /proc/PID/uid_map /proc/PID/gid_map    # on the host, of a process of each sandbox",
    remedy="give each its own range: --userns=auto, security.idmap.isolated=true, another lxc.idmap",
)
def test_two_sandboxes_ids_do_not_overlap(sandbox: SandboxView, peer: SandboxView, host_facts: HostView) -> None:
    """
    The id ranges of two sandboxes do not overlap.

    If they overlap, a process that breaks out of one sandbox has the user id of the other, and opens its files and
    processes.
    Without a user namespace the ids are the host's own, as are those of every other such sandbox.
    """
    if reason := sandbox.target.cannot.get("peer"):
        pytest.skip(reason)
    initial = host_facts.namespaces.user
    if sandbox.namespaces.user == initial:
        raise Open("its ids are the host's own")
    if peer.namespaces.user == initial:
        pytest.skip("its peer has no user namespace of its own, and therefore no range")
    own, other = sandbox.outside.process, peer.outside.process
    shared = [
        f"{what} {first} to {last}"
        for what, mine, theirs in (("uids", own.uid_map, other.uid_map), ("gids", own.gid_map, other.gid_map))
        for first, last in overlaps(mine, theirs)
    ]
    if shared:
        raise Open(f"it has {', '.join(shared)} in common with its peer")


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "user.file_owner",
    severity="medium",
    profile="restricted",
    gains="leaves a file of the host's root on the host, and may make it set-user-ID",
    refs=["user_namespaces(7)", "inode(7)", "mount_setattr(2), ID-mapped mounts"],
    kinds=["container"],
    kinds_reason="the hypervisor's process writes to a VM's shared folder: vm.shared_folder, user.root_mapped",
    shows=["shared_file"],
    reproduce="touch VOLUME/file    # inside; then on the host: stat -c %u VOLUME/file",
    remedy="map its root to an unprivileged user: rootless, --userns=auto; share no folder with :idmap",
)
def test_its_files_belong_to_a_mapped_user(sandbox: SandboxView) -> None:
    """
    A file that the sandbox makes on a shared path belongs to a mapped id.

    Another sandbox makes a file in a folder that was created for it.
    An ID-mapped mount (:idmap) reverses the mapping: a file of root inside belongs to the host's root.
    """
    for what in ("residue", "volume"):
        if reason := sandbox.target.cannot.get(what):
            pytest.skip(reason)
    made = sandbox.shared_file()
    if made is None:
        pytest.skip("no folder of the host can be shared with it")
    if made.uid == 0:
        raise Open("a file it made on a shared path belongs to the host's root")
    initial = sandbox.host.process.namespaces.user
    if made.users == initial:
        raise Open(f"a file it made on a shared path belongs to uid {made.uid}: its ids are the host's own")
    mapped = any(line.outside <= made.uid < line.outside + line.count for line in made.uid_map)
    if not mapped:
        raise Open(f"a file it made on a shared path belongs to uid {made.uid}, which its user namespace does not map")


@pytest.mark.isolation(
    "user.setgroups",
    severity="low",
    profile="baseline",
    gains="drops a group that denies access, and so gains it",
    refs=["user_namespaces(7)", "CVE-2014-8989"],
    kinds=["container"],
    kinds_reason="a VM's groups are its own kernel's",
    shows=["process.setgroups", "process.gid_map"],
    reproduce="cat /proc/PID/setgroups /proc/PID/gid_map    # on the host, PID of the sandbox's process",
    remedy="write deny to /proc/PID/setgroups before the gid_map, or map a range of groups",
)
def test_a_single_id_map_forbids_setgroups(sandbox: SandboxView) -> None:
    """
    A user namespace with a map of one id forbids setgroups.

    A file may deny to the members of a group what it allows everybody (rw----r--).
    A process that may drop the group gains access, so a map that an ordinary user writes must deny setgroups first.
    An administrator gives a longer map, by /etc/subgid or as root.
    """
    process = sandbox.process
    single = sum(line.count for line in process.gid_map) == 1
    if single and process.setgroups != "deny":
        raise Open(f"setgroups is '{process.setgroups}' with a map of one group")


@pytest.mark.isolation(
    "user.nested_userns",
    severity="medium",
    profile="restricted",
    gains="gets all capabilities over its own namespaces, and reaches kernel code that otherwise only root reaches",
    refs=["user_namespaces(7)", "CVE-2022-0185"],
    shows=["system.tries[unshare.newuser]", "process.seccomp"],
    reproduce="unshare --user true",
    remedy="refuse unshare and clone with CLONE_NEWUSER by the seccomp profile, or user.max_user_namespaces=0 inside",
)
def test_cannot_make_a_further_user_namespace(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The sandbox cannot create another user namespace.

    In a user namespace of its own it has every capability over that namespace, and reaches parts of the kernel that are
    otherwise closed to it.
    A child tries unshare(CLONE_NEWUSER) and exits; the host's answer is the control.
    """
    if not sandbox.shares_kernel:
        return  # it is its own kernel's
    answer = sandbox.system.tries["unshare.newuser"].result
    if answer == "ok":
        raise Open(f"it makes a user namespace in which it has every capability; {filter_seen(sandbox.process)}")
    if answer == "timeout":
        raise UnobservedFact("system.tries[unshare.newuser]", answer, "the answer shows nothing")
    if host_facts.system.tries["unshare.newuser"].result != "ok":
        pytest.skip("the host cannot create one either")
