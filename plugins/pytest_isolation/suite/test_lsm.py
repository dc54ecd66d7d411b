"""Mandatory access control: AppArmor, SELinux, Smack."""

from __future__ import annotations

import pytest

from pytest_isolation.view import HostView, SandboxView
from pytest_isolation.walls.labels import why_unconfined


@pytest.mark.isolation(
    "lsm.confined",
    severity="high",
    profile="baseline",
    gains="has no second wall behind the namespaces",
    refs=["apparmor(7)", "selinux(8)", "CIS Docker 5.2", "CIS Docker 5.3"],
    shows=["process.lsm", "system.lsms"],
    reproduce="cat /proc/PID/attr/current    # on the host, PID of the sandbox's or the hypervisor's process",
    remedy="drop apparmor=unconfined and label=disable; load the engine's profile",
)
def test_a_label_confines_it(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    A mandatory-access label confines it (when the host has an LSM).

    Where an LSM labels processes the host's own has a label too; an empty one means that none does.  A profile that
    is in complain mode or unconfined by name confines nothing.
    """
    host_label = host_facts.process.lsm
    if not host_label:
        pytest.skip("no confining LSM is active on the host")
    why = why_unconfined(sandbox.confined.lsm, host_label)
    assert not why, why
