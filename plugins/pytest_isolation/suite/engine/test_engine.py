"""Checks of the engine that makes sandboxes, and of what it leaves behind."""

from __future__ import annotations

import re

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.declared import InForce, weaker


@pytest.mark.isolation(
    "run.daemon_opts",
    severity="high",
    profile="baseline",
    gains="is as weakly confined as every other sandbox of that engine",
    refs=["CIS Docker 2.1-2.18", "containers.conf(5)"],
    shows=["target.settings"],
    reproduce="the settings of its engine's daemon or configuration files",
    remedy="take seccomp-profile: unconfined out of daemon.json, and seccomp_profile out of containers.conf",
)
def test_no_engine_wide_setting_weakens_every_sandbox(sandbox: SandboxView) -> None:
    """
    Engine-wide settings do not weaken every sandbox.

    The check compares each setting that the engine reports with the sound value in its role.
    A setting that it does not report is unknown.
    """
    settings = sandbox.target.settings
    if settings is None:
        pytest.skip("this runtime has no engine-wide settings")
    answered = [one for one in settings if isinstance(one.raw("value"), str)]
    weak = [f"{one.name} is '{one.value}': {one.why}" for one in answered if not re.search(one.sound, one.value)]
    if weak:
        raise Open("; ".join(weak))
    for one in settings:
        one.value  # noqa: B018 - a setting that the engine does not answer is unknown


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "ns.pid.reap",
    severity="high",
    profile="baseline",
    gains="runs on unseen, with its open files, after its sandbox has ended",
    refs=["pid_namespaces(7)", "cgroups(7)", "kill(2)"],
    shows=["process.namespaces.pid"],
    reproduce="inside: setsid -f sleep 60; on the host: kill -9 its first process; pgrep -a sleep",
    remedy="give it its own pid namespace: drop --pid=host; for unshare(1) add --pid --fork",
)
def test_every_process_ends_with_the_first(sandbox: SandboxView) -> None:
    """
    When pid 1 ends, every process inside ends.

    In another sandbox three processes are forked twice, each in its own session.
    The host sees them and then ends the first process; the runtime's own delete may end other processes, so it is not
    used.
    All must end within five seconds, identified by number and start time.
    For a VM these are the hypervisor's process, its threads and its descendants.
    """
    if reason := sandbox.target.cannot.get("residue"):
        pytest.skip(reason)
    left = sandbox.survivors()
    if left:
        raise Open(f"after the end of its first process there still run {', '.join(left[:4])}")


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "run.no_residue",
    severity="medium",
    profile="privileged",
    gains="keeps running, or leaves files and mounts to the next tenant",
    refs=["cgroups(7)", "namespaces(7)"],
    shows=["process.namespaces", "process.cgroups"],
    reproduce="lsns; findmnt; find /sys/fs/cgroup -name 'NAME*'    # before and after",
    remedy="update the runtime; end processes that joined the sandbox's namespaces together with it",
)
def test_nothing_is_left_after_the_end(sandbox: SandboxView) -> None:
    """
    After the sandbox is deleted nothing is left.

    Another sandbox is created and deleted.
    Then there must be no process in its namespaces, none of its cgroups, no mount and no hypervisor, and its runtime
    must not list it.
    A namespace or a cgroup that was there before the sandbox is not its own: a neighbour's, or an engine daemon's.
    """
    if reason := sandbox.target.cannot.get("residue"):
        pytest.skip(reason)
    left = sandbox.residue()
    if left:
        raise Open(f"it left {'; '.join(left[:4])}")


@pytest.mark.isolation(
    "run.as_declared",
    severity="high",
    profile="baseline",
    gains="has what its engine says that it has not",
    refs=["OCI runtime-spec, config.md", "docker inspect", "podman-inspect(1)"],
    shows=["declared"],
    reproduce="docker inspect NAME; then /proc/PID/status, limits, mountinfo and cgroup on the host",
    remedy="update the engine and its OCI runtime; start the sandbox anew if something changed it since",
)
def test_what_was_declared_is_in_force(sandbox: SandboxView) -> None:
    """
    The sandbox is no weaker than its runtime says.

    An engine tells by its inspect what a container was to be; an OCI runtime by the config.json of the bundle.
    Each declared item is compared with what is in force: capabilities, no_new_privs, seccomp, the AppArmor profile,
    masked and read-only paths, the flags of mounts, rlimits, sysctls, namespaces, the user, and limits of memory, cpu
    and pids.
    What was never declared is no finding of this check, and being more confined than declared is none.
    """
    declared = sandbox.declared
    if declared is None:
        pytest.skip("its runtime does not tell what the sandbox was to be")
    if sandbox.is_behind_sentry:
        pytest.skip("a process of the host is its kernel, and has what was declared")

    def is_hosts(kind: str) -> bool:
        own, hosts = (getattr(view.namespaces, kind) for view in (sandbox, sandbox.host))
        return own.inode is not None and bool(own == hosts)

    limits = sandbox.outside.limits if sandbox.has_outside else None
    if found := weaker(declared, InForce(sandbox.process, sandbox.has_outside, limits, is_hosts)):
        raise Open("; ".join(found[:4]))
