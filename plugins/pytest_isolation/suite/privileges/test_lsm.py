"""Checks of mandatory access control: AppArmor, SELinux, Smack."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls import labels
from pytest_isolation.walls.filesystem.paths import is_root_of_host, label_answers


@pytest.mark.isolation(
    "lsm.confined",
    severity="high",
    profile="baseline",
    gains="meets no second wall behind the namespaces",
    refs=["apparmor(7)", "selinux(8)", "CIS Docker 5.2", "CIS Docker 5.3"],
    shows=["process.lsm", "system.lsms"],
    reproduce="cat /proc/PID/attr/current    # on the host, PID of the sandbox's or the hypervisor's process",
    remedy="drop apparmor=unconfined and label=disable; load the engine's profile",
)
def test_a_label_confines_it(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    A mandatory-access label confines the sandbox (if the host has an LSM).

    If an LSM labels processes, the host's own process has a label too; an empty label there means that no LSM does.
    A profile in complain mode, or one that is named unconfined, confines nothing.
    """
    host_label = _host_label(host_facts)
    why = labels.why_unconfined(sandbox.confined.lsm, host_label)
    if why:
        raise Open(why)


@pytest.mark.isolation(
    "lsm.enforcing",
    severity="high",
    profile="baseline",
    gains="breaks rules of its profile, which only logs them",
    refs=["aa-status(8)", "selinux(8)"],
    shows=["process.lsm", "host.system.kernel_state.selinux_enforce"],
    reproduce="cat /proc/PID/attr/current; getenforce    # on the host",
    remedy="aa-enforce the profile; setenforce 1; drop apparmor=unconfined and label=disable",
)
def test_its_label_is_enforced(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The label's profile is in enforce mode.

    AppArmor has a mode for each profile and writes it after the label; SELinux has one mode for the kernel.
    Without a label nothing is enforced.
    """
    host_label = _host_label(host_facts)
    label = sandbox.confined.lsm
    why = labels.why_unconfined(label, host_label)
    if why:
        raise Open(why)
    if labels.is_selinux(label) and host_facts.system.kernel_state.selinux_enforce == 0:
        raise Open("the host's SELinux is permissive")


@pytest.mark.isolation(
    "lsm.distinct",
    severity="medium",
    profile="baseline",
    gains="reaches its peer's files and processes, which different labels would keep apart",
    refs=["container_selinux(8)", "apparmor(7)"],
    kinds=["container"],
    kinds_reason="the hypervisor's process of the second VM is not observed",
    shows=["process.lsm", "peer.process.lsm"],
    reproduce="cat /proc/PID/attr/current    # on the host, of two sandboxes",
    remedy="drop label=level:…, which sets the same categories twice; for AppArmor use one profile for each sandbox",
)
def test_its_peer_has_another_label(sandbox: SandboxView, peer: SandboxView, host_facts: HostView) -> None:
    """
    Two sandboxes have different SELinux categories or profiles.

    With one label for both, the policy lets each do to the other what it may do to itself.
    """
    host_label = _host_label(host_facts)
    label, other = sandbox.confined.lsm, peer.confined.lsm
    why = labels.why_unconfined(label, host_label)
    if why:
        raise Open(why)
    if labels.domain(label) == labels.domain(other):
        raise Open(f"its peer's label is '{labels.domain(other)}' too")


@pytest.mark.isolation(
    "lsm.writes",
    severity="medium",
    profile="baseline",
    gains="writes to kernel files on writable mounts",
    refs=["moby/profiles apparmor/template.go", "apparmor.d(5)"],
    kinds=["container"],
    kinds_reason="a VM's /proc and /sys are its own kernel's",
    shows=["system.paths[/proc/mtrr]", "system.paths[/proc/sys/vm/panic_on_oom]", "process.lsm"],
    reproduce="sh -c ': 1<>/proc/mtrr'    # 'Permission denied' comes from the label, 'not permitted' from the file",
    remedy="drop apparmor=unconfined and label=disable; load the engine's profile",
)
def test_its_label_refuses_kernel_files(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The LSM refuses writes below `/proc` and `/sys` that file modes allow.

    Read-only mounts and user ids refuse first, so only a file that neither of them protects from root shows the label.
    /proc/mtrr is one: no engine mounts anything over it, and its own refusal (EPERM) comes after the label's.
    """
    host_label = _host_label(host_facts)
    why = labels.why_unconfined(sandbox.confined.lsm, host_label)
    by_ids = is_root_of_host(sandbox.process, sandbox.capabilities_over_host)
    answers = label_answers(sandbox.system.paths, sandbox.process.mounts) if by_ids else {}
    if why:
        raise Open(why)
    if not answers:
        pytest.skip("read-only mounts or user ids refuse the writes before its label does")
    passed = [name for name, answer in answers.items() if answer != "EACCES"]
    if passed:
        raise Open(f"its label lets {', '.join(passed)} be opened for writing")


@pytest.mark.isolation(
    "lsm.yama",
    severity="low",
    profile="baseline",
    gains="attaches to any process of its user and reads its secrets",
    refs=["Documentation/admin-guide/LSM/Yama.rst"],
    shows=["host.system.kernel_state.ptrace_scope"],
    reproduce="sysctl kernel.yama.ptrace_scope    # on the host",
    remedy="sysctl kernel.yama.ptrace_scope=1 on the host",
)
def test_only_parents_may_trace(host_facts: HostView) -> None:
    """
    The ptrace scope of the host is at least 1.

    With scope 0 a process may trace all others of its user: one hypervisor's process the next, or a process that left
    its sandbox.
    It is one setting for the whole host, and no runtime changes it.
    """
    scope = host_facts.system.kernel_state.ptrace_scope
    if scope is None:
        pytest.skip("the host's kernel has no Yama")
    if scope < 1:
        raise Open("any process of the host may trace all others of its user (kernel.yama.ptrace_scope=0)")


def _host_label(host_facts: HostView) -> str:
    """Return the label of the host's own process; skip if no LSM gives one."""
    label = host_facts.process.lsm
    if not label:
        pytest.skip("no confining LSM is active on the host")
    return label
