"""Users: who the sandbox's processes are on the host (user_namespaces(7), credentials(7))."""

from __future__ import annotations

import pytest

from pytest_isolation.view import SandboxView

OVERFLOW_ID = 65534  # kernel.overflowgid: a group that is mapped nowhere


@pytest.mark.isolation(
    "user.root_mapped",
    severity="high",
    profile="restricted",
    refs=["user_namespaces(7)", "CIS Docker 2.9"],
    shows=["process.uid", "process.uid_map"],
    reproduce="grep Uid /proc/PID/status; cat /proc/PID/uid_map    # on the host, PID of the sandbox's process",
    remedy="map its root to an unprivileged user: rootless, --userns=auto; for a VM run the hypervisor as its own user",
)
def test_root_inside_is_not_root_outside(sandbox: SandboxView) -> None:
    """
    Root inside is not root outside.

    Decided by host ids: a user namespace whose map is 0 to 0 (`unshare -Ur` run by root) is no wall.  Of a VM,
    whose root is its own kernel's, it is the hypervisor's process that must not be root.
    """
    if not sandbox.shares_kernel and not sandbox.has_outside:
        assert 0 not in sandbox.vmm.process.uid, "the hypervisor's process runs as root on the host"
        return
    process = sandbox.outside.process
    assert 0 not in process.uid, "its process runs as the host's root"
    roots = [line.outside for line in process.uid_map if line.inside == 0]
    assert 0 not in roots, "its root is the host's root"


@pytest.mark.isolation(
    "user.nonroot",
    severity="medium",
    profile="restricted",
    refs=["Pod Security Standards: Running as Non-root", "CIS Docker 4.1"],
    shows=["process.uid"],
    reproduce="id -u",
    remedy="run the payload as another user: --user 1000",
)
def test_payload_is_not_uid_0(sandbox: SandboxView) -> None:
    """The payload does not run as uid 0."""
    assert 0 not in sandbox.inside.process.uid, "its process runs as uid 0 inside"


@pytest.mark.isolation(
    "user.groups",
    severity="high",
    profile="baseline",
    refs=["credentials(7)", "CVE-2022-2995", "CVE-2022-2989"],
    kinds=["container"],
    kinds_reason="a VM's groups are its own kernel's",
    shows=["process.gid", "process.groups"],
    reproduce="grep Groups /proc/PID/status    # on the host, PID of the sandbox's process",
    remedy="clear supplementary groups: drop --group-add, keep-groups; setpriv --clear-groups",
)
def test_no_group_of_the_host_is_kept(sandbox: SandboxView) -> None:
    """
    No supplementary group of the host (0, disk, docker, kvm, …).

    Read by the host where it can: a group that its user namespace does not map shows as 65534 inside, and the
    host's files still open to it.
    """
    process = sandbox.process
    kept = sorted(set(process.groups) - set(process.gid) - {OVERFLOW_ID})
    assert not kept, f"it kept the supplementary groups {', '.join(map(str, kept))}"
