"""Reads which units run, are enabled, and wait for a restart or a reload.

In: the wanted units.  Out: lines of sh, and their output parsed as `Services`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from shlex import join

from provisioner.converge.resources.service.units import (
    DUE,
    RELOAD,
    UNIT_FOLDERS,
    UNMET,
    PresentService,
    Services,
    WantedService,
)

# `systemctl show` takes about twenty milliseconds per unit on an emulated processor.  One `list-units` tells which
# units run, and a symbolic link tells that a unit is enabled (systemctl(1), "enable").  Only a unit that needs more
# (an alias, a mask, an instance, a unit without a link) is asked about.
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
    """Parse the output of `systemctl show`: one block for each unit, in the order of `asked`."""
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
