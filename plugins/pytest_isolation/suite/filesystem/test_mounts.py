"""Checks of mounts: which paths of the host are mounted in the sandbox, and which mounts propagate
(mount_namespaces(7)).
"""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.filesystem import mounts as walls
from pytest_isolation.walls.filesystem import rootfs
from pytest_isolation.walls.filesystem.origins import topmost


@pytest.mark.isolation(
    "mnt.host_paths",
    severity="critical",
    profile="baseline",
    gains="reads files that the host depends on, and changes them where they are writable",
    refs=["proc_pid_mountinfo(5)", "CIS Docker 5.6", "Pod Security Standards: HostPath Volumes"],
    shows=["process.mounts"],
    reproduce="cat /proc/PID/mountinfo /proc/self/mountinfo    # on the host, PID of the sandbox's process",
    remedy="mount a volume, or a folder below /srv, instead of the host's path; switch synced folders off",
)
def test_no_sensitive_host_path_is_mounted(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    No sensitive host path is mounted.

    The host's mount table gives the host path of each mount: the same major:minor, and the root below it.
    An overlay shows the folders that its options name.
    Every place that the host itself uses counts, at any depth, a file as a folder: its configuration, programs, state,
    logs, jobs, homes, engines' storage, /tmp.
    Files that an engine made for the sandbox, its layers and its engine's volumes do not count, nor time zones,
    certificates and resolvers that are read-only.
    A disk that the host does not mount counts, and so does an idmapped or shared folder of the host that is writable.
    A sandbox with its own kernel has host folders only by a shared-folder file system.
    Behind a sentry its image is one, too.
    """
    mounts = sandbox.process.mounts
    if sandbox.is_behind_sentry:
        if sandbox.image is None:
            raise UnobservedFact("mounts", "", "its sentry alone knows which folder of the host it shows at /")
        mounts = [mount for mount in mounts if mount.target != "/"]  # the image
    folders = walls.shared_folders(mounts)
    if folders:
        raise Open(f"a folder of the host is shared at {', '.join(folders)}")
    if not sandbox.shares_kernel and not sandbox.has_outside:
        return
    process = sandbox.outside.process
    shared = _shared(sandbox, host_facts)
    exe = "" if sandbox.target.attached else process.exe  # the probe, which the run bound there
    found = walls.sensitive_mounts(process.mounts, host_facts.process.mounts, shared, exe)
    if found:
        raise Open("; ".join(found[:4]))


def _shared(sandbox: SandboxView, host_facts: HostView) -> list[str]:
    """Return the kinds of shared namespaces in which a fresh mount has the host's superblock."""
    mine, hosts = sandbox.namespaces, host_facts.namespaces
    return [kind for kind in ("pid", "net", "ipc") if getattr(mine, kind) == getattr(hosts, kind)]


@pytest.mark.isolation(
    "mnt.propagation",
    severity="high",
    profile="baseline",
    gains="mounts something that then appears on the host",
    refs=["mount_namespaces(7)", "CIS Docker 5.20"],
    kinds=["container"],
    kinds_reason="a VM's mounts are its own kernel's",
    shows=["process.mounts"],
    reproduce="grep -o 'shared:[0-9]*' /proc/PID/mountinfo /proc/1/mountinfo | sort -t: -k3    # on the host",
    remedy="make its mounts private or slave: drop :rshared and rootfsPropagation=shared",
)
def test_mount_events_do_not_travel_to_the_host(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Mount events do not propagate to the host.

    The numbers of the peer groups decide: inside systemd-nspawn many mounts are shared, in groups of their own.
    """
    if not sandbox.shares_kernel:
        return  # peer groups of another kernel
    own, hosts = walls.peer_groups(sandbox.process.mounts), walls.peer_groups(host_facts.process.mounts)
    common = sorted(own[group] for group in own.keys() & hosts.keys())
    if common:
        raise Open(f"{', '.join(common[:4])} is in a peer group of the host's")


@pytest.mark.isolation(
    "mnt.rootfs_ro",
    severity="low",
    profile="restricted",
    gains="keeps what it writes to its root file system until its end",
    refs=["statvfs(3)", "CIS Docker 5.13"],
    kinds=["container"],
    kinds_reason="a VM's root is its own disk",
    shows=["process.mounts"],
    reproduce="grep ' / / ' /proc/PID/mountinfo    # on the host",
    remedy="--read-only, or root.readonly in config.json",
)
def test_root_file_system_is_read_only(sandbox: SandboxView) -> None:
    """The root file system is read-only."""
    root = topmost(sandbox.process.mounts, "/")
    if root is None:
        raise Open("nothing is mounted at /")
    if not rootfs.is_read_only(root):
        raise Open("/ is writable")


@pytest.mark.isolation(
    "mnt.flags",
    severity="low",
    profile="baseline",
    gains="uses setuid files or device nodes on mounts that should hold none",
    refs=["mount(8)", "OCI runtime-spec: mounts"],
    kinds=["container"],
    kinds_reason="a VM mounts its own kernel's file systems",
    shows=["process.mounts"],
    reproduce="grep -E ' /(proc|sys|dev)' /proc/self/mountinfo",
    remedy="mount proc, sys, shm and mqueue with nosuid,nodev,noexec, and /dev with nosuid",
)
def test_kernel_mounts_carry_their_flags(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    proc, sys, dev, shm and mqueue have nosuid, nodev and noexec as documented.

    Mounts that are bound from the host keep the host's flags: other checks report them.
    """
    if not sandbox.shares_kernel:
        return
    found = rootfs.missing_flags(sandbox.process.mounts, host_facts.process.mounts, _shared(sandbox, host_facts))
    if found:
        raise Open("; ".join(found))


@pytest.mark.isolation(
    "mnt.old_root",
    severity="critical",
    profile="baseline",
    gains="leaves its root and reaches the host's files",
    refs=["pivot_root(2)", "statmount(2)"],
    kinds=["container"],
    kinds_reason="a VM's root is its own disk",
    shows=["process.beneath", "process.handles", "process.mounts"],
    reproduce="ls -di / /..; cat /proc/self/mountinfo",
    remedy="let the runtime use pivot_root: drop --no-pivot; give the sandbox its own root folder",
)
def test_old_root_is_out_of_reach(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The host's root is not reachable by `..`, a leftover mount or a working directory.

    A root that was moved over the host's, and not pivoted, has the host's root beneath it.
    Neither its own mount table nor `stat /..` shows that, so the host asks the kernel what the root is mounted on.
    mnt.host_paths reports a bind of the host's root, fd.outside_dir a folder that is held open outside.
    """
    if not sandbox.shares_kernel:
        return
    process, host = sandbox.process, host_facts.process
    root = process.handles["root"]
    hosts = host.handles["root"]
    same = (root.major, root.minor, root.inode) == (hosts.major, hosts.minor, hosts.inode)
    if same:
        raise Open("its root is the host's own")
    why = rootfs.why_host_root_beneath(process, host)
    if why:
        raise Open(why)


@pytest.mark.isolation(
    "mnt.locked_ro",
    severity="high",
    profile="baseline",
    gains="writes below a bind that should be read-only",
    refs=["mount_setattr(2)", "moby: recursive read-only mounts"],
    kinds=["container"],
    kinds_reason="a VM's mounts are its own kernel's",
    shows=["process.mounts", "system.tries"],
    reproduce="grep ' ro[, ]' /proc/PID/mountinfo    # on the host",
    remedy="bind recursively read-only (rro, readonly-force); drop CAP_SYS_ADMIN",
)
def test_read_only_binds_stay_read_only(sandbox: SandboxView) -> None:
    """
    A read-only bind stays read-only, with all its submounts.

    `ro` is a flag of one mount: a submount has its own flag.
    A process that may mount can also remove the flag.
    """
    found = rootfs.writable_below(sandbox.process.mounts)
    if found:
        raise Open("; ".join(found[:4]))
    binds = rootfs.read_only_binds(sandbox.process.mounts)
    if binds:
        result = sandbox.system.tries["fsopen.no_such_fs"].result
        if result == "ENODEV":
            raise Open(f"it may mount, and so make {binds[0].target} writable again")


@pytest.mark.isolation(
    "mnt.layers",
    severity="high",
    profile="baseline",
    gains="changes the image that other sandboxes start from",
    refs=["overlayfs.rst"],
    kinds=["container"],
    kinds_reason="the hypervisor decides about a VM's disk",
    shows=["process.handles", "system.root_access"],
    reproduce="ls -di / && test -w / && echo writable    # in both",
    remedy="give each its own layer: an overlay, a copy, or a read-only root",
)
def test_image_files_are_not_shared_for_writing(sandbox: SandboxView, peer: SandboxView) -> None:
    """
    Writing to the image's files does not alter another sandbox or the image.

    Two sandboxes of one image share files for writing if their roots are the same folder or the same upper layer, and
    the root is writable.
    Facts decide, so the check writes to no image.
    """
    if reason := sandbox.target.cannot.get("peer"):
        pytest.skip(reason)
    why = rootfs.why_same_root(sandbox.process, peer.process)
    if why:
        root = topmost(sandbox.process.mounts, "/")
        writable = sandbox.system.root_access == "ok" and root is not None and not rootfs.is_read_only(root)
        if writable:
            raise Open(f"{why}, and it may write there")


@pytest.mark.isolation(
    "mnt.unshare_leak",
    severity="low",
    profile="baseline",
    gains="learns the paths and ids of other sandboxes",
    refs=["CIS Docker 5.6", "proc_pid_mountinfo(5)"],
    kinds=["container"],
    kinds_reason="a VM's mounts are its own kernel's",
    shows=["process.mounts"],
    reproduce="cat /proc/self/mountinfo",
    remedy="do not mount the engine's storage: drop -v /var/lib/docker",
)
def test_mounts_of_other_sandboxes_do_not_appear(sandbox: SandboxView, peer: SandboxView) -> None:
    """
    The paths of other sandboxes do not appear in the mount table.

    A mount counts if it shows the root of the peer, or a folder that holds it.
    """
    if reason := sandbox.target.cannot.get("peer"):
        pytest.skip(reason)
    if not sandbox.shares_kernel:
        return
    found = rootfs.mounts_of_peer(sandbox.process, peer.process)
    if found:
        raise Open(f"{', '.join(found[:4])} shows its peer's root")
