"""systemd's units: started or stopped, enabled or not, and restarted when a file of theirs has changed.

In: unit names and what roles want of them.  Out: changes of "state", "boot", "restart" and "unit file".
A kind: see converge/kinds.py.  That a restart is due is noted below /run before any file is written, so that a run that
ends between the two is mended by the next.  A unit that a package will bring is held back (masked until it is started
here), so that it starts once, with its files, and one that must not run never does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import join, quote
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from provisioner.converge.kinds import Aspect, Change, Fault, Step
from provisioner.converge.templates import Source
from provisioner.errors import IsolationError

NAME = "service"
KEY = "services"
RANK = 50
STOP_RANK = 25  # before files: it is stopped by the settings that it was started with
DUE, RELOAD = "/run/pytest-isolation/restart", "/run/pytest-isolation/reload"
HELD = "held back until its files are written"
# systemd.unit(5), in its order of precedence
UNIT_FOLDERS = tuple(f"{top}/systemd/system" for top in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"))
# UnitFileState of units that have no switch of their own or are switched on by another one (systemctl(1), is-enabled)
ENABLED = ("enabled", "static", "alias", "indirect", "generated", "transient")
UNMET = "inactive, its conditions do not hold here"  # systemd.unit(5): to start it succeeds and does nothing
STARTED = ("active", "reloading", UNMET)
STOPPED = ("inactive", "absent", UNMET)  # one that failed is mended too: it would leave the machine "degraded"


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
    """A unit as it is; `due` and `reload` when a run ended before it could restart it, or have its file read again."""

    load: str
    active: str
    enabled: str
    due: bool = False
    reload: bool = False


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


# systemctl takes some twenty milliseconds of an emulated processor for all that it shows of one unit.  Which units run
# is one answer for all; that one is enabled, a link says (systemctl(1), "enable").  Only where these do not suffice (an
# alias, a mask, an instance, a unit that needs no link) it is asked.
READ = """\
[ -d /run/systemd/system ] || {{ echo '!offline'; exit; }}
top=/etc/systemd/system aliases= ask=
for link in $top/*; do [ ! -h "$link" ] || [ ! -f "$link" ] || aliases="$aliases $link"; done
listed=$(systemctl list-units --all --full --plain --no-legend -- {names})
look() {{
  for folder in {folders}; do
    file=$folder/$1
    [ ! -h "$file" ] || return 1
    [ ! -s "$file" ] || break
  done
  [ -s "$file" ] || return 1
  load=loaded active=inactive
  while read -r name one two rest; do [ "$name" != "$1" ] || {{ load=$one active=$two; break; }}; done <<END
$listed
END
  [ "$load" = loaded ] || return 1
  if [ "$active" = inactive ] && [ "$3" = started ]; then
    case $(systemd-analyze condition --unit="$1" 2>&1) in *'Conditions failed.'*) active=unmet;; esac
  fi
  boot=enabled
  for link in $top/*.wants/"$1" $top/*.requires/"$1"; do [ ! -h "$link" ] || return 0; done
  [ "$2" != enabled ] || return 1
  for link in $aliases; do [ ! "$link" -ef "$file" ] || return 1; done
  boot=disabled
}}
for word in {words}; do
  unit=${{word%%=*}} rest=${{word#*=}}
  if look "$unit" "${{rest%=*}}" "${{rest#*=}}"; then echo "unit $unit $load $active $boot"; else ask="$ask $unit"; fi
  [ ! -e {due}/"$unit" ] || echo "due $unit"
  [ ! -e {reload}/"$unit" ] || echo "reload $unit"
done
[ -z "$ask" ] || systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState -- $ask
for unit in $ask; do echo "asked $unit"; done"""


def render_read(wanted: Mapping[str, WantedService]) -> str:
    if not wanted:
        return ""
    return READ.format(
        names=join(wanted),
        words=join(
            f"{name}={'enabled' if one.enabled else 'any'}={one.state or 'any'}" for name, one in wanted.items()
        ),
        folders=" ".join(UNIT_FOLDERS),
        due=DUE,
        reload=RELOAD,
    )


def parse_present(text: str) -> Services:
    if text.strip() == "!offline":
        return Services({}, running=False)
    units: dict[str, PresentService] = {}
    words: dict[str, list[str]] = {"due": [], "reload": [], "asked": []}
    shown: list[str] = []
    for line in text.splitlines():
        word, *rest = line.split(" ")
        if word == "unit" and len(rest) == 4:
            units[rest[0]] = PresentService(rest[1], UNMET if rest[2] == "unmet" else rest[2], rest[3])
        elif word in words and len(rest) == 1:
            words[word].append(rest[0])
        else:
            shown.append(line)
    units.update(_parse_shown(shown, words["asked"]))
    return Services(
        {name: replace(unit, due=name in words["due"], reload=name in words["reload"]) for name, unit in units.items()}
    )


def _parse_shown(lines: Sequence[str], asked: Sequence[str]) -> dict[str, PresentService]:
    """Read what `systemctl show` printed: a block for each unit asked for, in that order."""
    blocks = [dict(_pair(line) for line in block.split("\n") if line) for block in "\n".join(lines).split("\n\n")]
    blocks = [block for block in blocks if block]
    if len(blocks) != len(asked):
        raise ValueError(f"systemctl showed {len(blocks)} units, not {len(asked)}")
    return {name: _parse_unit(block) for name, block in zip(asked, blocks, strict=True)}


def _pair(line: str) -> tuple[str, str]:
    key, equals, value = line.partition("=")
    if not equals:
        raise ValueError(f"no line of systemctl show: '{line[:80]}'")
    return key, value


def _parse_unit(block: Mapping[str, str]) -> PresentService:
    try:
        load, active = block["LoadState"], block["ActiveState"]
    except KeyError as error:
        raise ValueError(f"systemctl showed no {error.args[0]}") from None
    gone = load == "not-found" and active == "inactive"
    return PresentService(load, "absent" if gone else active, block.get("UnitFileState", "") or "absent")


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
                # Debian's packages enable what they bring: what is left open is its state, not this
                aspects.append(Aspect("boot", "absent", "disabled"))
        if aspects:
            changes.append(Change(NAME, name, tuple(aspects)))
    return changes


def _waits_for_package(wanted: WantedService, present: PresentService) -> bool:
    """Tell whether a unit is not there yet; a role that leaves its state open leaves that to its package too."""
    return present.load == "not-found" and wanted.state is not None


def _diff_new(wanted: WantedService) -> list[Aspect]:
    """Return what is made of a unit that a package will bring; Debian's packages enable what they bring."""
    aspects = [Aspect("unit file", "absent", HELD)]
    if wanted.enabled is not None:
        aspects.append(Aspect("boot", "absent", "enabled" if wanted.enabled else "disabled"))
    if wanted.state == "started":
        aspects.append(Aspect("state", "absent", "started"))
    return aspects


def _unit_written(name: str, written: Sequence[str]) -> bool:
    """Tell whether one of these files is the unit's own or a drop-in of it."""
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
            why = f"older than {', '.join(reasons)}" if reasons else "due since a run that was cut off"
            aspects.append(Aspect("restart", why, "restarted"))
    return aspects


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
