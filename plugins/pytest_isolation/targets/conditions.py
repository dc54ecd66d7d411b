"""Describes a target: its versions, what cannot be asked of it, and the conditions that hold for it.

In: a target and its hosts.
Out: `TargetInfo`.
"""

from __future__ import annotations

import os

from provisioner.connection.local import Completed
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts.document import Facts
from provisioner.facts.kernel import KernelState
from provisioner.hosts.host import Host
from provisioner.linux.kvm import accelerator
from provisioner.observed import MAX_TEXT, FactMap, Unobserved, unobserved
from provisioner.runtimes.engine import Engine
from provisioner.runtimes.locate import EngineSeen, read_engine
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import Runtime
from provisioner.runtimes.settings import SettingSeen, ask_settings
from pytest_isolation.options import LOCAL
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.records.record import TargetInfo
from pytest_isolation.targets.target import Target
from pytest_isolation.walls.capabilities import NAMES
from pytest_isolation.walls.environment import passed_on, proxies, secrets
from pytest_isolation.walls.machine.hardware import is_open, is_unknown

OCI_RUNTIMES = ("runc", "crun")  # the components of versions that are OCI runtimes
CONFINING = ("apparmor", "selinux", "smack", "tomoyo")


def describe(
    target: Target, inner: Host, outer: Host, provider: str = "", unseen: str | None = None, oci: str = ""
) -> TargetInfo:
    """
    Return what reports and checks may know of a target.

    Args:
        target: the target.
        inner: the host that its runtime's commands run on.
        outer: the host that it is on: for a machine the host of the machine, else `inner`.
        provider: of a machine, its provider in lab.yaml; else "".
        unseen: of an attached target, why its inside view is missing or incomplete; else None.
        oci: of an attached target, the OCI runtime that made it; "" if that is unknown, and for others.
    """
    runtime = target.runtime
    asked = _Once(Engine(runtime, inner.connection))
    version, parts = runtime_versions(runtime, inner, asked)
    capabilities = runtime.capabilities
    chosen = accelerator() if runtime.kind == "vm" else None
    conditions = {
        **runtime.conditions,
        "accelerator": f"{chosen.name}: {chosen.why}" if chosen else None,
        "cgroup": {"hybrid": "v1"}.get(outer.cgroup_mode, outer.cgroup_mode),
        "user": "root" if outer.is_root else "other",
        "sys_admin": "yes" if outer.sys_admin else "no",
        "lsm": confining_lsm(outer.facts),
        "kernel": outer.facts.system.kernel.release if outer.facts.system else None,
        **host_settings(outer.facts),
        **host_environment(outer.facts),
        "version": version or None,
        "provider": provider or None,
        "unseen": unseen,
        "command": "yes" if target.command else None,
    }
    return TargetInfo.model_construct(
        id=target.id,
        kind=runtime.kind,
        class_="emulation" if chosen and chosen.name == "tcg" else runtime.class_,
        runtime=runtime.name,
        host=_host_name(target, outer),
        boundary=runtime.boundary,
        versions=with_oci(parts, oci),
        capabilities=list(NAMES) if capabilities == "all" else capabilities,
        cannot=_cannot(target, outer.here),
        conditions=Conditions.model_validate(conditions),
        attached=target.attached is not None,
        command=target.command[:MAX_TEXT],
        devices=None if runtime.devices is None else list(runtime.devices),
        settings=_settings(runtime, inner, asked),
        engine=_engine(runtime, inner, asked),
    )


def _host_name(target: Target, outer: Host) -> str:
    if not outer.here:
        return outer.seen_from
    return LOCAL if target.is_machine else target.host


def _cannot(target: Target, here: bool) -> dict[str, str]:
    """Return what cannot be asked of a target, with the reasons."""
    cannot = dict(target.runtime.cannot)
    if target.runtime.boundary == "none" or target.is_machine:
        cannot["residue"] = "this target is not created by the run"
    elif target.host != LOCAL or not here:
        cannot["residue"] = "residue is looked for on this machine only"
    return cannot


class _Once:
    """Runs each command once: `podman info` answers for both settings and versions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._done: dict[tuple[str, ...], Completed] = {}

    def run(self, argv: list[str], timeout: float) -> Completed:
        """Return the result of the command's first run."""
        done = self._done.get(tuple(argv))
        if done is None:
            done = self._done[tuple(argv)] = self._engine.run(argv, timeout)
        return done


def _settings(runtime: Runtime, host: Host, asked: _Once) -> list[SettingSeen] | None:
    """Ask the engine for its settings; if it does not answer they are unobserved."""
    if runtime.settings is None:
        return None
    argv = render_argv(runtime.settings.argv, host.values(runtime), f"{runtime.name}: settings")
    try:
        return ask_settings(runtime.settings, argv, asked, runtime.name)
    except IsolationError as error:
        nobody: list[SettingSeen] = unobserved(str(error))
        return nobody


def _engine(runtime: Runtime, host: Host, asked: _Once) -> EngineSeen | None:
    """Ask where the engine is; if its client does not tell, the engine is unobserved."""
    if runtime.locate is None:
        return None
    argv = render_argv(runtime.locate.argv, host.values(runtime), f"{runtime.name}: locate")
    try:
        answer = asked.run(argv, deadline("command")).stdout
    except IsolationError as error:
        nobody: EngineSeen = unobserved(str(error))
        return nobody
    return read_engine(runtime.locate, answer, os.environ if host.files.remembers else {})


def runtime_versions(runtime: Runtime, host: Host, asked: _Once) -> tuple[str, dict[str, str]]:
    """
    Ask a runtime for its version and those of its components.

    Args:
        runtime: the runtime.
        host: the host that it is on.
        asked: runs the command.

    Returns:
        The runtime's version, and all versions by component; empty if the runtime does not answer.
    """
    if runtime.version is None:
        return "", {}
    argv = render_argv(runtime.version.argv, host.values(runtime), "version")
    try:
        answer = asked.run(argv, deadline("command")).stdout
    except IsolationError:
        return "", {}
    version = runtime.version.read(answer)
    named = {runtime.version.of or runtime.name: version} if version else {}
    return version, {**named, **runtime.version.read_parts(answer)}


def with_oci(parts: dict[str, str], oci: str) -> dict[str, str]:
    """
    Return versions by component with the OCI runtime that an attached container really has.

    Args:
        parts: versions as the engine tells them, with that of its default OCI runtime.
        oci: the OCI runtime's name, "" if it is unknown.
    """
    if not oci or oci in parts:
        return {name: version for name, version in parts.items() if not oci or name == oci or name not in OCI_RUNTIMES}
    known = {name: version for name, version in parts.items() if name not in OCI_RUNTIMES}
    return {**known, oci: ""}


def confining_lsm(facts: Facts) -> str:
    """Return the LSM that labels processes on the host, "none" if none does, "" if it could not be observed."""
    listed = facts.system.raw("lsms") if facts.system else None
    label = facts.process.raw("lsm")
    if isinstance(listed, str):
        return next((name for name in CONFINING if name in listed.split(",")), "none")
    return "none" if label == "" else ""


def host_settings(facts: Facts) -> dict[str, str]:
    """Return the host's own settings that decide walls no runtime makes; what was not observed is left out."""
    state = facts.system.raw("kernel_state") if facts.system else None
    if not isinstance(state, KernelState):
        return {}
    scope, threads, flaws = (state.raw(name) for name in ("ptrace_scope", "smt_active", "flaws"))
    found = {"ptrace_scope": str(scope)} if isinstance(scope, int) else {}
    if isinstance(threads, int):
        found["smt"] = "on" if threads else "off"
    if isinstance(flaws, FactMap):
        reports = [report for report in flaws.root.values() if isinstance(report, str)]
        words = ("open", is_open), ("unknown", is_unknown)
        found["flaws"] = next((word for word, fits in words if any(map(fits, reports))), "mitigated")
    return found


def host_environment(facts: Facts) -> dict[str, str]:
    """Return which kinds of names are in the environment that runtimes start with; nothing if it was not observed."""
    names = facts.process.raw("environment")
    if isinstance(names, Unobserved):
        return {}
    values = facts.process.raw("values")
    shapes = () if isinstance(values, Unobserved) else values
    found = {"env_more": passed_on(names, names), "env_proxies": proxies(names), "env_secrets": secrets(names, shapes)}
    return {condition: "yes" if some else "no" for condition, some in found.items()}
