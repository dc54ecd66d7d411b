"""Makes the steps that change units, and explains their failures.

In: what roles want, and changes.  Out: `Step`s; each may run twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from shlex import join, quote

from provisioner.converge.kinds import Change, Fault, Step
from provisioner.converge.resources.service.units import DUE, HELD, NAME, RANK, RELOAD, WantedService, unit_name

STOP_RANK = 25  # before files: a unit is stopped with the settings that it was started with


def make_steps(wanted: Mapping[str, WantedService], changes: Sequence[Change]) -> list[Step]:
    """Return the steps; the first ones note what is due and mask units that must not start yet."""
    return [*_first_steps(changes), *_unit_file_steps(changes), *_state_steps(wanted, changes)]


def _first_steps(changes: Sequence[Change]) -> list[Step]:
    steps = []
    notes = [f"{DUE}/{name}" for name in _to_restart(changes)]
    notes += [f"{RELOAD}/{name}" for name in _turning(changes, "read again")]
    if notes:
        script = "\n".join([f"mkdir -p {DUE} {RELOAD}", *(f": >{quote(note)}" for note in notes)])
        steps.append(Step("note what is due", script, NAME, 0))
    if held := _turning(changes, HELD):
        steps.append(Step(_title("hold back", held), _systemctl("mask --runtime", held), NAME, 0))
    if stops := _turning(changes, "stopped"):
        steps.append(Step(_title("stop", stops), _stop(stops), NAME, STOP_RANK))
    return steps


def _unit_file_steps(changes: Sequence[Change]) -> list[Step]:
    """Return one step that changes unit files and then reloads systemd once."""
    verbs = {
        "unmask --runtime": _turning(changes, HELD, "unmasked"),
        "unmask": _turning(changes, "unmasked"),
        "enable": _turning(changes, "enabled"),
        "disable": _turning(changes, "disabled"),
    }
    lines = [_systemctl(verb, names) for verb, names in verbs.items() if names]
    if not lines and not _turning(changes, "read again"):
        return []
    names = list(dict.fromkeys(name for found in verbs.values() for name in found))
    title = _title("enable, disable or unmask", names) if names else "reload the unit files"
    settled = join([RELOAD, *(f"{DUE}/{name}" for name in _turning(changes, HELD))])
    return [_step(title, "\n".join([*lines, "systemctl daemon-reload", f"rm -rf -- {settled}"]))]


def _state_steps(wanted: Mapping[str, WantedService], changes: Sequence[Change]) -> list[Step]:
    """Return the steps that restart and start units; a restarted unit is not also started."""
    restarts = _to_restart(changes)
    steps = []
    sure = [name for name in restarts if wanted[name].state == "started"]
    maybe = [name for name in restarts if wanted[name].state is None]
    for verb, names in (("restart", sure), ("try-restart", maybe)):
        if names:
            notes = join(f"{DUE}/{name}" for name in names)
            steps.append(_step(_title(verb, names), f"{_start(verb, names)}\nrm -f -- {notes}"))
    if starts := [name for name in _turning(changes, "started") if name not in restarts]:
        steps.append(_step(_title("start", starts), _start("start", starts)))
    return steps


def _to_restart(changes: Sequence[Change]) -> list[str]:
    return [change.name for change in changes if change.changes("restart")]


def _turning(changes: Sequence[Change], *after: str) -> list[str]:
    """Return the units that have an aspect with one of these new values."""
    return [change.name for change in changes if any(aspect.after in after for aspect in change.aspects)]


def _systemctl(verb: str, names: Sequence[str]) -> str:
    """
    Return a systemctl command that does not reload systemd.

    It skips SysV scripts: systemd ignores a script that has the name of a unit (systemd-sysv-generator(8)), and
    update-rc.d(8) would reload systemd once for each.
    """
    return f"SYSTEMCTL_SKIP_SYSV=1 systemctl --no-reload {verb} -- {join(names)}"


def _stop(names: Sequence[str]) -> str:
    """Return sh that stops units; a unit stops even if its ExecStop fails."""
    return f"systemctl stop -- {join(names)}\nsystemctl reset-failed -- {join(names)} 2>/dev/null || :"


def _start(verb: str, names: Sequence[str]) -> str:
    """Return sh that starts units; reset-failed clears the count of StartLimitBurst (systemd.unit(5))."""
    units = " ".join(f"-u {quote(name)}" for name in names)
    return (
        f"systemctl reset-failed -- {join(names)} 2>/dev/null || :\n"
        f"systemctl {verb} -- {join(names)} || {{ journalctl --no-pager -n 20 {units} || :; exit 1; }}"
    )


def _title(verb: str, names: Sequence[str]) -> str:
    return f"{verb} " + ", ".join(f"'{name}'" for name in names)


def _step(title: str, script: str) -> Step:
    return Step(title, script, NAME, RANK)


def explain_failure(log: str) -> Fault | None:
    match = re.search(r"Unit (?:file )?(\S+?)(?:\.service)? (?:not found|does not exist|could not be found)", log)
    if match:
        return Fault(f"start '{unit_name(match[1])}'", "no such unit", "see the services in role.yaml")
    match = re.search(r"Job for (\S+) failed", log)
    return Fault(f"start '{match[1]}'", "it failed", f"journalctl -u {match[1]}") if match else None
