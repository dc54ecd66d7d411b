"""Checks of no_new_privs and of setuid binaries (PR_SET_NO_NEW_PRIVS(2const))."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.filesystem.mounts import gives_setuid
from pytest_isolation.walls.filesystem.origins import hidden


@pytest.mark.isolation(
    "nnp.set",
    severity="medium",
    profile="restricted",
    gains="gains privileges from any setuid file that it finds",
    refs=["PR_SET_NO_NEW_PRIVS(2const)", "CIS Docker 2.14", "CIS Docker 5.26"],
    kinds=["container"],
    kinds_reason="a VM's processes gain privileges only over its own kernel",
    shows=["process.no_new_privs"],
    reproduce="grep NoNewPrivs /proc/self/status",
    remedy="--security-opt no-new-privileges",
)
def test_no_new_privs_is_on(sandbox: SandboxView) -> None:
    """no_new_privs is on."""
    if sandbox.process.no_new_privs != 1:
        raise Open("no_new_privs is off")


@pytest.mark.isolation(
    "nnp.setuid",
    severity="medium",
    profile="restricted",
    gains="becomes root inside with a setuid file that it wrote or found",
    refs=["execve(2)", "mount(8): nosuid"],
    kinds=["container"],
    kinds_reason="a VM's processes gain privileges only over its own kernel",
    shows=["process.no_new_privs", "process.mounts"],
    reproduce="grep -v nosuid /proc/self/mountinfo",
    remedy="--security-opt no-new-privileges; mount volumes nosuid",
)
def test_setuid_binaries_give_nothing(sandbox: SandboxView) -> None:
    """
    A setuid binary gives no privileges.

    With no_new_privs no setuid binary does.
    Otherwise every writable mount that can hold regular files must be nosuid or noexec: a volume may bring a setuid
    binary, or another sandbox may put one there.
    A mount below another one at the same place does not count.
    """
    if sandbox.process.no_new_privs == 1:
        return
    mounts = sandbox.process.mounts
    unreached = hidden(mounts)
    found = [one.target for one in mounts if gives_setuid(one) and one.id not in unreached]
    if found:
        raise Open(f"no_new_privs is off and setuid binaries count on {', '.join(found)}")
