"""The kind `sysctl`: kernel settings below /proc/sys, set now and at every boot (systemd-sysctl.service(8)).

In: keys and values.  Out: changes of "now" and "at boot".  Writes to /proc/sys directly, because a minimal Debian has
no sysctl(8).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from shlex import join, quote
from typing import Annotated

from pydantic import Field

from provisioner.converge.kinds import Aspect, Change, Fault, Step
from provisioner.converge.owned import render_owned
from provisioner.converge.templates import Source
from provisioner.errors import IsolationError

NAME = "sysctl"
KEY = "sysctls"
RANK = 40
FIELD = dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+([./][A-Za-z0-9_-]+)+$")], str | int]
OWNED = "/etc/sysctl.d/90-isolation.conf"
PROC = "/proc/sys/"

# One process reads all values.  The shell's `read` takes a byte at a time, and the kernel answers only the first read
# of a number (proc_first_pos_non_zero_ignore() in kernel/sysctl.c).
READ = f"""\
grep -s '' /dev/null {{paths}}
if [ -e {OWNED} ]; then
  while read -r line || [ -n "$line" ]; do echo "{OWNED}:$line"; done <{OWNED}
fi"""


@dataclass(frozen=True)
class Sysctls:
    """The values now, and those in OWNED for the next boot; keys with slashes."""

    now: Mapping[str, str] = field(default_factory=dict)
    boot: Mapping[str, str] = field(default_factory=dict)


def collect_wanted(sources: Sequence[Source]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    owners: dict[str, str] = {}
    for source in sources:
        for key, value in source.items.items():
            rendered = _normal(source.render(str(value), f"sysctls.{key}"))
            name = _slashes(key)
            if wanted.setdefault(name, rendered) != rendered:
                raise IsolationError(
                    f"cannot set sysctl '{key}': the role '{owners[name]}' wants '{wanted[name]}',"
                    f" '{source.role}' wants '{rendered}'",
                    hint="leave it to one of them",
                )
            owners.setdefault(name, source.role)
    return dict(sorted(wanted.items()))


def _slashes(key: str) -> str:
    """Return the path below /proc/sys; the first separator decides what a dot means (sysctl.d(5))."""
    first = re.search(r"[./]", key)
    return key if first and first[0] == "/" else key.translate(str.maketrans("./", "/."))


def _normal(value: str) -> str:
    return " ".join(value.split())


def render_read(wanted: Mapping[str, str]) -> str:
    return READ.format(paths=join(PROC + key for key in wanted)) if wanted else ""


def parse_present(text: str) -> Sysctls:
    now: dict[str, str] = {}
    boot: dict[str, str] = {}
    for line in text.splitlines():
        path, colon, rest = line.partition(":")
        if path == OWNED:
            key, equals, value = rest.partition("=")
            boot[key.strip()] = _normal(value) if equals else "(no value)"
        elif colon and path.startswith(PROC):
            key = path.removeprefix(PROC)
            now[key] = _normal(f"{now.get(key, '')} {rest}")
        else:
            raise ValueError(f"no line of this script: '{line[:80]}'")
    return Sysctls(now, {key: value for key, value in boot.items() if key})


def diff_state(wanted: Mapping[str, str], present: Sysctls, earlier: Sequence[Change]) -> list[Change]:
    changes = []
    for key, value in wanted.items():
        aspects = []
        if present.now.get(key) != value:
            aspects.append(Aspect("now", present.now.get(key, "absent"), value))
        if present.boot.get(key) != value:
            aspects.append(Aspect("at boot", present.boot.get(key, "absent"), value))
        if aspects:
            changes.append(Change(NAME, key, tuple(aspects)))
    for key, value in present.boot.items():
        if wanted and key not in wanted:
            changes.append(Change(NAME, key, (Aspect("at boot", value, "not named by a role"),)))
    return changes


def make_steps(wanted: Mapping[str, str], changes: Sequence[Change]) -> list[Step]:
    steps = []
    if any(change.changes("at boot") for change in changes):
        lines = [f"{key}={value}" for key, value in wanted.items()]
        steps.append(Step(f"write file '{OWNED}'", render_owned(OWNED, lines), NAME, RANK))
    for change in changes:
        if change.changes("now"):
            script = f"printf '%s\\n' {quote(wanted[change.name])} >{quote(PROC + change.name)}"
            steps.append(Step(f"set sysctl '{change.name}'", script, NAME, RANK))
    return steps


def explain_failure(log: str) -> Fault | None:
    match = re.search(r"(?:cannot create|nonexistent).*/proc/sys/(\S+?):|/proc/sys/(\S+?): (?:No such|Directory)", log)
    if match:
        return Fault(f"set sysctl '{match[1] or match[2]}'", "this kernel does not have it")
    return None
