"""Checks of keys: a keyring belongs to a user namespace, a quota to a user id of the host's kernel."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.seccomp.passed import filter_seen

REFUSED = ("EPERM", "EACCES", "ENOSYS", "ENOKEY", "SIGSYS")
VM_HAS_ITS_OWN = "a VM's keys are its own kernel's"


@pytest.mark.isolation(
    "key.session",
    severity="high",
    profile="baseline",
    gains="uses the keys of the session that started it",
    refs=["keyrings(7)", "session-keyring(7)", "containers.conf(5) keyring"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["system.keys"],
    reproduce="keyctl show @s    # inside and on the host: the same serial",
    remedy="drop runc's --no-new-keyring; keyring = true in containers.conf; keyctl new_session before the runtime",
)
def test_session_keyring_is_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Its session keyring is not the host's.

    keyctl_get_keyring_ID(3) gives the serial, inside and in the process that called the runtime.
    The kernel numbers all keyrings together.
    A refused call keeps the sandbox from the keyring too.
    """
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    if sandbox.target.attached:
        pytest.skip("attached: an exec may keep the keyring of its caller; the sandbox's own was not seen")
    if host_facts.system.keys.session == "ENOSYS":
        pytest.skip("this kernel has no keyrings")
    keys = sandbox.system.keys
    if keys.session in REFUSED or not sandbox.shares_kernel:
        return
    outside = host_facts.system.keys
    for view, seen in (("inside", keys), ("host", outside)):
        if seen.session != "ok":
            raise UnobservedFact(f"{view}.system.keys.session", seen.session, "the serial was not read")
    if keys.serial == outside.serial:
        raise Open(f"its session keyring {keys.serial} is the host's")


@pytest.mark.isolation(
    "key.quota",
    severity="medium",
    profile="baseline",
    gains="uses up the keys that others of the same user may make",
    refs=["keyrings(7)", "Documentation/security/keys/core.rst"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["process.uid", "system.tries[add_key.null]"],
    reproduce="cat /proc/key-users    # on the host: the row of the sandbox's outside uid",
    remedy="use a seccomp profile that refuses add_key, or its own range of ids: podman --userns=auto",
)
def test_keys_count_against_nobody_else(sandbox: SandboxView, host_facts: HostView, peer: SandboxView) -> None:
    """
    Keys that it makes do not use up a quota that it shares with others.

    A quota belongs to a user id of the kernel, in any namespace (/proc/key-users).
    If add_key(2) is reached, the subject needs its own user namespace.
    Its id outside must be neither the host's own nor its peer's.
    """
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    answer, control = sandbox.system.tries["add_key.null"].result, host_facts.system.tries["add_key.null"].result
    if control == "ENOSYS":
        pytest.skip("this kernel has no keyrings")
    if answer in REFUSED or not sandbox.shares_kernel:
        return
    if answer != "EFAULT":
        raise UnobservedFact("system.tries[add_key.null]", answer, "the answer shows nothing")
    uid = sandbox.outside.process.uid[3]
    if sandbox.namespaces.user == host_facts.namespaces.user:
        raise Open(f"its keys count against the host's uid {uid}; {filter_seen(sandbox.process)}")
    if uid == host_facts.process.uid[3]:
        raise Open(f"its keys count against the host's own uid {uid}; {filter_seen(sandbox.process)}")
    if "peer" not in sandbox.target.cannot and uid == peer.outside.process.uid[3]:
        raise Open(f"its keys count against uid {uid}, its peer's too; {filter_seen(sandbox.process)}")
