"""Carries changes of units out: lines of sh, and what it means when they fail.

In: what roles want, and changes.  Out: `Step`s, of which taking one twice does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from shlex import join, quote

from provisioner.converge.kinds import Change, Fault, Step
from provisioner.converge.resources.service.units import DUE, HELD, NAME, RANK, RELOAD, WantedService, unit_name

STOP_RANK = 25  # before files: it is stopped by the settings that it was started with


def make_steps(wanted: Mapping[str, WantedService], changes: Sequence[Change]) -> list[Step]:
    """Before all others come the notes of what is due, and the masks of what must not start yet."""
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
    """Change what systemd reads, in one step: it reads all of it again at the end, once."""
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
    """Return what restarts and starts units; what is restarted is not also started."""
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
    """Return the units of which something becomes one of these."""
    return [change.name for change in changes if any(aspect.after in after for aspect in change.aspects)]


def _systemctl(verb: str, names: Sequence[str]) -> str:
    """
    A unit file's verb, after which systemd has yet to read it again.

    Scripts of SysV are left alone: systemd reads none whose name a unit has (systemd-sysv-generator(8)), and
    update-rc.d(8) would reload systemd once for each.
    """
    return f"SYSTEMCTL_SKIP_SYSV=1 systemctl --no-reload {verb} -- {join(names)}"


def _stop(names: Sequence[str]) -> str:
    """A unit whose ExecStop fails has stopped all the same."""
    return f"systemctl stop -- {join(names)}\nsystemctl reset-failed -- {join(names)} 2>/dev/null || :"


def _start(verb: str, names: Sequence[str]) -> str:
    """A unit restarted often is refused for a while unless its count is reset (systemd.unit(5), StartLimitBurst)."""
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
