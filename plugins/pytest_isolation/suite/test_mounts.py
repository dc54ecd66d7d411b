"""Mounts: what of the host is in the sandbox's mount table, and what travels back (mount_namespaces(7))."""

from __future__ import annotations

import pytest

from provisioner.sandboxes.facts import NAMESPACES
from pytest_isolation.view import HostView, SandboxView
from pytest_isolation.walls import mounts as walls


@pytest.mark.isolation(
    "mnt.host_paths",
    severity="critical",
    profile="baseline",
    refs=["proc_pid_mountinfo(5)", "CIS Docker 5.6", "Pod Security Standards: HostPath Volumes"],
    shows=["process.mounts"],
    reproduce="cat /proc/PID/mountinfo /proc/self/mountinfo    # on the host, PID of the sandbox's process",
    remedy="mount a volume instead of the host's path; switch synced folders off",
)
def test_no_sensitive_host_path_is_mounted(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    No sensitive host path is mounted.

    The host's own table names each mount by its host path (equal major:minor, and the root below it).  A kernel of
    its own has folders of the host by a shared-folder file system alone.
    """
    folders = walls.shared_folders(sandbox.process.mounts)
    assert not folders, f"a folder of the host is shared at {', '.join(folders)}"
    if not sandbox.shares_kernel and not sandbox.has_outside:
        return
    mine, hosts = sandbox.namespaces, host_facts.namespaces
    shared = [
        kind for kind in NAMESPACES if kind in ("pid", "net", "ipc") and getattr(mine, kind) == getattr(hosts, kind)
    ]
    process = sandbox.outside.process
    found = walls.sensitive_mounts(process.mounts, host_facts.process.mounts, shared, process.exe)
    assert not found, "; ".join(found[:4])


@pytest.mark.isolation(
    "mnt.propagation",
    severity="high",
    profile="baseline",
    refs=["mount_namespaces(7)", "CIS Docker 5.20"],
    kinds=["container"],
    kinds_reason="a VM's mounts are its own kernel's",
    shows=["process.mounts"],
    reproduce="grep -o 'shared:[0-9]*' /proc/PID/mountinfo /proc/1/mountinfo | sort -t: -k3    # on the host",
    remedy="make its mounts private or slave: drop :rshared and rootfsPropagation=shared",
)
def test_mount_events_do_not_travel_to_the_host(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Mount events do not travel to the host.

    Decided by the numbers of peer groups: inside systemd-nspawn many mounts are shared, in groups of their own.
    """
    if not sandbox.shares_kernel:
        return  # peer groups of another kernel
    own, hosts = walls.peer_groups(sandbox.process.mounts), walls.peer_groups(host_facts.process.mounts)
    common = sorted(own[group] for group in own.keys() & hosts.keys())
    assert not common, f"{', '.join(common[:4])} is in a peer group of the host's"
