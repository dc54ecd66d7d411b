"""systemd's units: started or stopped, enabled or not, and restarted when a file of theirs has changed.

In: unit names and what roles want of them.  Out: changes of "state", "boot", "restart" and "unit file".
A kind: see converge/kinds.py.  That a restart is due is noted below /run before any file is written, so that a run that
ends between the two is mended by the next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import join, quote
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from provisioner.converge.kinds import Aspect, Change, Fault, Step
from provisioner.converge.templates import Source
from provisioner.errors import IsolationError

NAME = "service"
KEY = "services"
RANK = 50
DUE = "/run/pytest-isolation/restart"
UNIT_FOLDERS = ("/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/")
# UnitFileState of units that have no switch of their own or are switched on by another one (systemctl(1), is-enabled)
ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated", "transient")
STARTED = ("active", "reloading")
STOPPED = ("inactive", "failed", "absent")


class ServiceItem(BaseModel):
    """A unit as role.yaml has it; what is left out stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9:_.@-]+$")]
    state: Literal["started", "stopped"] | None = None
    enabled: bool | None = None
    restart_on: list[str] = []


FIELD = list[ServiceItem]


@dataclass(frozen=True)
class WantedService:
    """A unit as it must be."""

    state: str | None = None
    enabled: bool | None = None
    restart_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class PresentService:
    """A unit as systemd shows it: `due` when a run ended before it could restart it."""

    load: str
    active: str
    enabled: str
    reload: bool = False
    due: bool = False


@dataclass(frozen=True)
class Services:
    """All units asked for; `running` is False where systemd is not the machine's init."""

    units: Mapping[str, PresentService]
    running: bool = True


def unit_name(name: str) -> str:
    """Return the name with its suffix, as systemctl(1) completes it."""
    suffixes = ".service .socket .timer .path .mount .target .slice .scope .swap .automount .device"
    return name if name.endswith(tuple(suffixes.split())) else f"{name}.service"


def collect_wanted(sources: Sequence[Source]) -> dict[str, WantedService]:
    wanted: dict[str, WantedService] = {}
    for source in sources:
        for item in source.items:
            name = unit_name(item.name)
            old = wanted.get(name, WantedService())
            for one, other in ((old.state, item.state), (old.enabled, item.enabled)):
                if one is not None and other is not None and one != other:
                    raise IsolationError(
                        f"cannot converge service '{name}': two roles want it different",
                        hint=f"see the role '{source.role}'",
                    )
            wanted[name] = WantedService(
                item.state if old.state is None else old.state,
                item.enabled if old.enabled is None else old.enabled,
                tuple(dict.fromkeys((*old.restart_on, *item.restart_on))),
            )
    return wanted


# What still starts at boot would look stopped: wait for it.
READ = """\
if [ -d /run/systemd/system ]; then
  timeout 120 systemctl is-system-running --wait >/dev/null 2>&1
  systemctl show -p LoadState -p ActiveState -p UnitFileState -p NeedDaemonReload -- {names}
else
  echo '!offline'
fi
for unit in {names}; do [ ! -e {due}/"$unit" ] || echo "due=$unit"; done
for unit in {names}; do echo "unit=$unit"; done"""


def render_read(wanted: Mapping[str, WantedService]) -> str:
    return READ.format(names=join(wanted), due=DUE) if wanted else ""


def parse_present(text: str) -> Services:
    lines = text.splitlines()
    names = [line.removeprefix("unit=") for line in lines if line.startswith("unit=")]
    due = {line.removeprefix("due=") for line in lines if line.startswith("due=")}
    shown = [line for line in lines if not line.startswith(("unit=", "due="))]
    if "!offline" in shown:
        return Services({}, running=False)
    blocks = [dict(_pair(line) for line in block.split("\n") if line) for block in "\n".join(shown).split("\n\n")]
    blocks = [block for block in blocks if block]
    if len(blocks) != len(names):
        raise ValueError(f"systemctl showed {len(blocks)} units, not {len(names)}")
    return Services({name: _parse_unit(block, name in due) for name, block in zip(names, blocks, strict=True)})


def _pair(line: str) -> tuple[str, str]:
    key, equals, value = line.partition("=")
    if not equals:
        raise ValueError(f"no line of systemctl show: '{line[:80]}'")
    return key, value


def _parse_unit(block: Mapping[str, str], due: bool) -> PresentService:
    try:
        load, active = block["LoadState"], block["ActiveState"]
        return PresentService(
            load,
            "absent" if load == "not-found" and active == "inactive" else active,
            block.get("UnitFileState", "") or "absent",
            block.get("NeedDaemonReload") == "yes",
            due,
        )
    except KeyError as error:
        raise ValueError(f"systemctl showed no {error.args[0]}") from None


def diff_state(wanted: Mapping[str, WantedService], present: Services, earlier: Sequence[Change]) -> list[Change]:
    if wanted and not present.running:
        first = next(iter(wanted))
        raise IsolationError(f"cannot converge service '{first}': systemd does not run there")
    written = [change.name for change in earlier if change.kind == "file" and change.changes("content")]
    absent = PresentService("not-found", "absent", "absent")
    changes = []
    for name, one in wanted.items():
        aspects = _diff_service(name, one, present.units.get(name, absent), written)
        if aspects:
            changes.append(Change(NAME, name, tuple(aspects)))
    return changes


def _unit_written(name: str, written: Sequence[str]) -> bool:
    """Tell whether one of these files is the unit's own or a drop-in of it."""
    return any(
        path.startswith(f"{folder}{name}.d/") or path == f"{folder}{name}"
        for folder in UNIT_FOLDERS
        for path in written
    )


def _diff_service(name: str, wanted: WantedService, present: PresentService, written: Sequence[str]) -> list[Aspect]:
    aspects = []
    if present.reload or _unit_written(name, written):
        aspects.append(Aspect("unit file", "changed since systemd read it", "read again"))
    on = present.enabled in ENABLED
    if (wanted.enabled is True and not on) or (wanted.enabled is False and present.enabled.startswith("enabled")):
        aspects.append(Aspect("boot", present.enabled, "enabled" if wanted.enabled else "disabled"))
    if wanted.state == "started" and present.load == "masked":
        aspects.append(Aspect("unit file", "masked", "unmasked"))
    if wanted.state == "started" and present.active not in STARTED:
        aspects.append(Aspect("state", present.active, "started"))
    if wanted.state == "stopped" and present.active not in STOPPED:
        aspects.append(Aspect("state", present.active, "stopped"))
    if wanted.state != "stopped":
        reasons = [path for path in wanted.restart_on if path in written]
        if reasons or present.due:
            # also where it does not run yet: its package may start it before the file is written
            why = f"older than {', '.join(reasons)}" if reasons else "due since a run that was cut off"
            aspects.append(Aspect("restart", why, "restarted"))
    return aspects


def make_steps(wanted: Mapping[str, WantedService], changes: Sequence[Change]) -> list[Step]:
    """A restart that is due is noted first (rank 0); what is started is also restarted when that is due."""
    restarts = [change.name for change in changes if change.changes("restart")]
    steps = []
    if restarts:
        notes = "\n".join(f": >{DUE}/{quote(name)}" for name in restarts)
        steps.append(Step("note the restarts that are due", f"mkdir -p {DUE}\n{notes}", NAME, 0))
    if any(aspect.after == "read again" for change in changes for aspect in change.aspects):
        steps.append(_step("reload the unit files", "systemctl daemon-reload"))
    for verb, names in _verbs(changes).items():
        steps.append(_step(_title(verb, names), f"systemctl {verb} -- {join(names)}"))
    sure = [name for name in restarts if wanted[name].state == "started"]
    maybe = [name for name in restarts if wanted[name].state is None]
    for verb, names in (("restart", sure), ("try-restart", maybe)):
        if names:
            notes = join(f"{DUE}/{name}" for name in names)
            steps.append(_step(_title(verb, names), f"{_start(verb, names)}\nrm -f -- {notes}"))
    starts = [change.name for change in changes if _turns(change, "started") and change.name not in restarts]
    if starts:
        steps.append(_step(_title("start", starts), _start("start", starts)))
    return steps


def _verbs(changes: Sequence[Change]) -> dict[str, list[str]]:
    """Return what must come before anything is started."""
    verbs: dict[str, list[str]] = {"unmask": [], "enable": [], "disable": [], "stop": []}
    for change in changes:
        if any(aspect.before == "masked" for aspect in change.aspects):
            verbs["unmask"].append(change.name)
        for word, verb in (("enabled", "enable"), ("disabled", "disable"), ("stopped", "stop")):
            if _turns(change, word):
                verbs[verb].append(change.name)
    return {verb: names for verb, names in verbs.items() if names}


def _turns(change: Change, after: str) -> bool:
    return any(aspect.after == after and aspect.what in ("boot", "state") for aspect in change.aspects)


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
