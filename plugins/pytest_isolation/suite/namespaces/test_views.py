"""Both views of one subject: what it says of itself is what the host sees of it."""

from __future__ import annotations

import pytest

from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.inside_outside import differences


@pytest.mark.isolation(
    "view.agree",
    severity="high",
    profile="baseline",
    gains="shows checks that look from inside a wall that is not there",
    refs=["proc_pid_status(5)", "user_namespaces(7)", "cgroup_namespaces(7)"],
    kinds=["container"],
    kinds_reason="the subject of a VM is no process of the host",
    shows=[
        "process.namespaces",
        "process.capabilities",
        "process.no_new_privs",
        "process.seccomp",
        "process.lsm",
        "process.uid",
        "process.uid_map",
        "process.cgroups",
    ],
    reproduce="cat /proc/self/status    # inside; on the host: cat /proc/PID/status",
    remedy="trust neither view before it is clear which is forged: look at what serves /proc inside, and at the image",
)
def test_inside_and_outside_agree(sandbox: SandboxView) -> None:
    """
    What it says of itself is what the host sees of it.

    Namespaces, ids and their maps, capabilities, no_new_privs, the filter's mode, the label and the cgroup are read by
    the subject and by the host.  A probe that lies, or a /proc that is forged for it, would make every check that
    rests on the inside view worth nothing.  Behind a sentry or a VMM the host's process is another one.
    """
    if sandbox.target.boundary in ("sentry", "vmm"):
        pytest.skip(f"the host's process is the {sandbox.target.boundary}, not the subject")
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    if sandbox.target.attached:
        pytest.skip("attached: the inside is seen by another process than the outside, which its exec started")
    found = differences(sandbox.inside.process, sandbox.outside.process)
    assert not found, f"the two views disagree: {'; '.join(found)}"
