"""Tries every runtime: it works if its sandbox says hello.

In: a System; roles/*/runtime.yaml.  Out: a look for each runtime that needs a program, and for each required name.
A new role folder is a new look.
"""

from __future__ import annotations

from dataclasses import replace

from provisioner.doctor.finding import Seen, State, lacking, ok, unknown
from provisioner.doctor.look import Ask, Look
from provisioner.doctor.system import System, as_root
from provisioner.doctor.trial import NotTried
from provisioner.errors import IsolationError
from provisioner.runtimes.load import load_runtime, runtime_names
from provisioner.runtimes.runtime import Runtime

GROUPS = {"container": "containers", "vm": "virtual machines"}


def more_looks(also: tuple[str, ...] = ()) -> list[Look]:
    """Return one look for each runtime that needs a program."""
    looks: list[Look] = []
    for name in dict.fromkeys([*runtime_names(), *also]):
        try:
            runtime = load_runtime(name)
        except IsolationError as error:
            if name in runtime_names():  # a fault in its file; other names are not runtimes
                looks.append(Look(GROUPS["container"], name, _fail(error)))
            continue
        if runtime.binary is not None:
            looks.append(
                Look(GROUPS[runtime.kind], name, _ask(name, runtime), "doctor.trial", decides=(name, runtime.kind))
            )
    return looks


def _fail(error: IsolationError) -> Ask:
    def ask(system: System) -> Seen:
        raise error

    return ask


def _ask(name: str, runtime: Runtime) -> Ask:
    def ask(system: System) -> Seen:
        return _lack(system, name, runtime) or _try(system, name, runtime)

    return ask


def _lack(system: System, name: str, runtime: Runtime) -> Seen | None:
    """Return what is missing, before a trial; None if nothing is."""
    for program in [runtime.binary or "", *runtime.needs]:
        if system.find(program) is None:
            return lacking(f"{program} is not installed", _cost(name), as_root(system, runtime.install))
    if runtime.root and not system.root:
        return lacking("it needs root", _cost(name), note="run as root")
    return None


def _try(system: System, name: str, runtime: Runtime) -> Seen:
    try:
        hello = system.try_runtime(runtime)
    except NotTried as error:
        return unknown(error.what, _cost(name), error.hint)
    except IsolationError as error:
        return _instead(system, name, runtime, error) or _refused(system, name, runtime, error)
    version = f"{hello.version}: " if hello.version else ""
    return ok(f"{version}a sandbox said hello after {hello.seconds:.1f} s")


def _instead(system: System, name: str, runtime: Runtime, error: IsolationError) -> Seen | None:
    """Try the option that runtime.yaml names for this symptom, as a run without --isolation-runtime does."""
    symptom = next((symptom for symptom in runtime.symptoms if symptom.cause in error.what), None)
    if symptom is None or symptom.instead is None or "+" in name:
        return None
    other = f"{name}+{symptom.instead}"
    try:
        hello = system.try_runtime(load_runtime(other))
    except IsolationError as also:
        seen = _refused(system, name, runtime, also)
        return replace(seen, seen=f"{_reason(runtime, error)}; {other}: {seen.seen}")
    return Seen(
        State.LIMITED,
        f"{_reason(runtime, error)}; {other} {hello.version} said hello after {hello.seconds:.1f} s",
        f"a run that names '{name}' ends at once; one that names none takes {other}",
        f"pytest --isolation={runtime.kind} --isolation-runtime={other}",
        gives=(other, runtime.kind),
    )


def _refused(system: System, name: str, runtime: Runtime, error: IsolationError) -> Seen:
    mend, note = error.hint, ""
    if runtime.daemon is not None and mend.startswith("systemctl ") and not _has_systemd(system):
        mend = as_root(system, f"provisioner daemon {runtime.name} -- pytest --isolation={runtime.kind}")
        note = "no systemd runs here to start its daemon"
    elif ", or " in mend:
        mend, _, note = mend.partition(", or ")
        note = f"or {note}"
    return lacking(_reason(runtime, error), _cost(name), mend, note)


def _has_systemd(system: System) -> bool:
    return (system.read("/proc/1/comm") or "").strip() == "systemd"


def _reason(runtime: Runtime, error: IsolationError) -> str:
    return error.what.removeprefix(f"cannot start '{runtime.name}': ")


def _cost(name: str) -> str:
    return f"no column '{name}' in the matrix"
