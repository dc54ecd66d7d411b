"""The kind `service`: systemd units, started or stopped, enabled or disabled, restarted when their files change.

units.py  the wanted and present state of a unit
read.py   reads the present state
steps.py  the steps that make changes

In: unit names and what roles want of them.  Out: changes of "state", "boot", "restart" and "unit file".
A restart that is due is noted below /run before a file is written.  If a run ends between the two, the next run
restarts the unit.  A unit that a package will bring is masked until its files are written: it starts once, with its
files, and a unit that must not run never starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from provisioner.converge.kinds import Aspect, Change
from provisioner.converge.resources.service.read import parse_present, render_read
from provisioner.converge.resources.service.steps import explain_failure, make_steps
from provisioner.converge.resources.service.units import (
    ENABLED,
    HELD,
    NAME,
    RANK,
    STARTED,
    STOPPED,
    UNIT_FOLDERS,
    PresentService,
    ServiceItem,
    Services,
    WantedService,
    unit_name,
)
from provisioner.converge.templates import Source
from provisioner.errors import IsolationError

__all__ = [
    "FIELD",
    "KEY",
    "NAME",
    "RANK",
    "collect_wanted",
    "diff_state",
    "explain_failure",
    "make_steps",
    "parse_present",
    "render_read",
]

KEY = "services"
FIELD = list[ServiceItem]


def collect_wanted(sources: Sequence[Source]) -> dict[str, WantedService]:
    wanted: dict[str, WantedService] = {}
    owners: dict[str, str] = {}
    for source in sources:
        for item in source.items:
            name = unit_name(item.name)
            old = wanted.get(name, WantedService())
            for one, other in ((old.state, item.state), (old.enabled, item.enabled)):
                if one is not None and other is not None and one != other:
                    raise IsolationError(
                        f"cannot converge service '{name}': the roles '{owners[name]}' and '{source.role}'"
                        " want it different",
                        hint="leave it to one of them",
                    )
            owners.setdefault(name, source.role)
            wanted[name] = WantedService(
                item.state if old.state is None else old.state,
                item.enabled if old.enabled is None else old.enabled,
                tuple(dict.fromkeys((*old.restart_on, *item.restart_on))),
            )
    return wanted


def diff_state(wanted: Mapping[str, WantedService], present: Services, earlier: Sequence[Change]) -> list[Change]:
    if wanted and not present.running:
        first = next(iter(wanted))
        raise IsolationError(f"cannot converge service '{first}': systemd does not run there")
    written = [change.name for change in earlier if change.kind == "file" and change.changes("content")]
    installs = any(change.kind == "package" for change in earlier)
    absent = PresentService("not-found", "absent", "absent")
    changes = []
    for name, one in wanted.items():
        unit = present.units.get(name, absent)
        if installs and _waits_for_package(one, unit):
            aspects = _diff_new(one)
        else:
            aspects = _diff_service(name, one, unit, written)
            if installs and unit.load == "not-found" and one.enabled is False:
                # Debian's packages enable their units; the role leaves only the state open
                aspects.append(Aspect("boot", "absent", "disabled"))
        if aspects:
            changes.append(Change(NAME, name, tuple(aspects)))
    return changes


def _waits_for_package(wanted: WantedService, present: PresentService) -> bool:
    """Return whether a package will bring the unit, and the role decides about its state."""
    return present.load == "not-found" and wanted.state is not None


def _diff_new(wanted: WantedService) -> list[Aspect]:
    """Return the changes of a unit that a package will bring; Debian's packages enable their units."""
    aspects = [Aspect("unit file", "absent", HELD)]
    if wanted.enabled is not None:
        aspects.append(Aspect("boot", "absent", "enabled" if wanted.enabled else "disabled"))
    if wanted.state == "started":
        aspects.append(Aspect("state", "absent", "started"))
    return aspects


def _unit_written(name: str, written: Sequence[str]) -> bool:
    """Return whether one of the written files is the unit's file or a drop-in of it."""
    return any(
        path.startswith(f"{folder}/{name}.d/") or path == f"{folder}/{name}"
        for folder in UNIT_FOLDERS
        for path in written
    )


def _diff_service(name: str, wanted: WantedService, present: PresentService, written: Sequence[str]) -> list[Aspect]:
    aspects = []
    if present.reload or _unit_written(name, written):
        aspects.append(Aspect("unit file", "changed since systemd read it", "read again"))
    if present.enabled == "masked-runtime" or (wanted.state == "started" and present.load == "masked"):
        aspects.append(Aspect("unit file", "masked", "unmasked"))
    if wanted.enabled is True and present.enabled not in ENABLED:
        aspects.append(Aspect("boot", present.enabled, "enabled"))
    if wanted.enabled is False and present.enabled == "enabled":
        aspects.append(Aspect("boot", present.enabled, "disabled"))
    if wanted.state == "started" and present.active not in STARTED:
        aspects.append(Aspect("state", present.active, "started"))
    if wanted.state == "stopped" and present.active not in STOPPED:
        aspects.append(Aspect("state", present.active, "stopped"))
    if wanted.state != "stopped":
        reasons = [path for path in wanted.restart_on if path in written]
        if reasons or present.due:
            why = f"older than {', '.join(reasons)}" if reasons else "due since an interrupted run"
            aspects.append(Aspect("restart", why, "restarted"))
    return aspects
