"""Check that the inside and the outside view of one subject agree."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.inside_outside import differences


@pytest.mark.isolation(
    "view.agree",
    severity="high",
    profile="baseline",
    gains="hides a missing wall from checks that look from inside",
    refs=["proc_pid_status(5)", "user_namespaces(7)", "cgroup_namespaces(7)"],
    kinds=["container"],
    kinds_reason="the subject in a VM is no process of the host",
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
    remedy="find out which view is forged before you trust either: look at what serves /proc inside, and at the image",
)
def test_inside_and_outside_agree(sandbox: SandboxView) -> None:
    """
    The inside view of the subject agrees with the outside view.

    The subject and the host both read its namespaces, ids and their maps, capabilities, no_new_privs, filter mode,
    label and cgroup.
    A probe that lies, or a forged /proc, would make every check that uses the inside view worthless.
    Behind a sentry or a VMM the host sees another process.
    """
    if sandbox.target.boundary == "vmm" or sandbox.is_behind_sentry:
        pytest.skip(f"the host's process is the {sandbox.target.boundary}, not the subject")
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    if sandbox.target.attached:
        pytest.skip("attached: the inside and the outside view are of different processes")
    found = differences(sandbox.inside.process, sandbox.outside.process)
    if found:
        raise Open(f"the two views disagree: {'; '.join(found)}")
