"""Mandatory access control: AppArmor, SELinux, Smack."""

from __future__ import annotations

import pytest

from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls import labels
from pytest_isolation.walls.filesystem.paths import is_root_of_host, label_answers


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
    host_label = _host_label(host_facts)
    why = labels.why_unconfined(sandbox.confined.lsm, host_label)
    assert not why, why


@pytest.mark.isolation(
    "lsm.enforcing",
    severity="high",
    profile="baseline",
    gains="is watched by its profile and stopped by nothing",
    refs=["aa-status(8)", "selinux(8)"],
    shows=["process.lsm", "host.system.kernel_state.selinux_enforce"],
    reproduce="cat /proc/PID/attr/current; getenforce    # on the host",
    remedy="aa-enforce the profile; setenforce 1; drop apparmor=unconfined and label=disable",
)
def test_its_label_is_enforced(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The label's profile is in enforce mode.

    AppArmor has a mode for each profile and writes it behind the label; SELinux has one for the kernel.  Where there is
    no label nothing is enforced either.
    """
    host_label = _host_label(host_facts)
    label = sandbox.confined.lsm
    why = labels.why_unconfined(label, host_label)
    assert not why, why
    if labels.is_selinux(label):
        assert host_facts.system.kernel_state.selinux_enforce != 0, "the host's SELinux is permissive"


@pytest.mark.isolation(
    "lsm.distinct",
    severity="medium",
    profile="baseline",
    gains="reaches a neighbour's files and processes, which the label would keep apart",
    refs=["container_selinux(8)", "apparmor(7)"],
    kinds=["container"],
    kinds_reason="the hypervisor's process of the second VM is not looked at",
    shows=["process.lsm", "peer.process.lsm"],
    reproduce="cat /proc/PID/attr/current    # on the host, of two sandboxes",
    remedy="drop label=level:…, which sets the same categories twice; AppArmor: a profile for each sandbox",
)
def test_its_peer_has_another_label(sandbox: SandboxView, peer: SandboxView, host_facts: HostView) -> None:
    """
    Two sandboxes carry different SELinux categories or profiles.

    With one label for both, the policy lets each do to the other's processes and files what it may do to its own.
    """
    host_label = _host_label(host_facts)
    label, other = sandbox.confined.lsm, peer.confined.lsm
    why = labels.why_unconfined(label, host_label)
    assert not why, why
    assert labels.domain(label) != labels.domain(other), f"its peer's label is '{labels.domain(other)}' too"


@pytest.mark.isolation(
    "lsm.writes",
    severity="medium",
    profile="baseline",
    gains="writes to the kernel's files where the mount is writable",
    refs=["moby/profiles apparmor/template.go", "apparmor.d(5)"],
    kinds=["container"],
    kinds_reason="a VM's /proc and /sys are its own kernel's",
    shows=["system.paths[/proc/mtrr]", "system.paths[/proc/sys/vm/panic_on_oom]", "process.lsm"],
    reproduce="sh -c ': 1<>/proc/mtrr'    # 'Permission denied' is the label's, 'not permitted' the file's own",
    remedy="drop apparmor=unconfined and label=disable; load the engine's profile",
)
def test_its_label_refuses_kernel_files(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    LSM refuses writes below `/proc` and `/sys` that DAC would allow.

    Read-only mounts stand before a label and user ids too: only a file that neither keeps from root tells.  /proc/mtrr
    is one, for no engine mounts anything over it; that it refuses by itself (EPERM) comes after the label.
    """
    host_label = _host_label(host_facts)
    why = labels.why_unconfined(sandbox.confined.lsm, host_label)
    by_ids = is_root_of_host(sandbox.process, sandbox.capabilities_over_host)
    answers = label_answers(sandbox.system.paths) if by_ids else {}
    assert not why, why
    if not answers:
        pytest.skip("read-only mounts and user ids stand before whatever its label would refuse")
    passed = [name for name, answer in answers.items() if answer != "EACCES"]
    assert not passed, f"its label lets {', '.join(passed)} be opened for writing"


@pytest.mark.isolation(
    "lsm.yama",
    severity="low",
    profile="baseline",
    gains="attaches to any process of its user and takes its secrets",
    refs=["Documentation/admin-guide/LSM/Yama.rst"],
    shows=["host.system.kernel_state.ptrace_scope"],
    reproduce="sysctl kernel.yama.ptrace_scope    # on the host",
    remedy="sysctl kernel.yama.ptrace_scope=1 on the host",
)
def test_only_parents_may_trace(host_facts: HostView) -> None:
    """
    ptrace scope is at least 1 on the host.

    Else any process may look into all others of its user: a hypervisor's process into the next, one that left its
    sandbox into whatever runs for the same id.  It is one setting for the whole host, and no runtime's.
    """
    scope = host_facts.system.kernel_state.ptrace_scope
    if scope is None:
        pytest.skip("the host's kernel has no Yama")
    assert scope >= 1, "any process of the host may trace all others of its user (kernel.yama.ptrace_scope=0)"


def _host_label(host_facts: HostView) -> str:
    """Return the label of the host's own; skip where no LSM gives one."""
    label = host_facts.process.lsm
    if not label:
        pytest.skip("no confining LSM is active on the host")
    return label
