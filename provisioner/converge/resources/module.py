"""The kind `module`: kernel modules, loaded now and at every boot (systemd-modules-load.service(8)).

In: module names.  Out: changes of "now" and "at boot".  A module that is built into the kernel counts as loaded.
Modules are never unloaded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import join
from typing import Annotated

from pydantic import Field

from provisioner.converge.kinds import Aspect, Change, Fault, Step
from provisioner.converge.owned import render_owned
from provisioner.converge.templates import Source

NAME = "module"
KEY = "modules"
RANK = 20
FIELD = list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]]
OWNED = "/etc/modules-load.d/90-isolation.conf"

# /sys/module lacks built-in modules without parameters; only these cost a process
READ = f"""\
for module in {{names}}; do
  if [ -d "/sys/module/$module" ]; then echo "loaded $module"
  elif grep -Eqs "/$module[.]ko" "/lib/modules/$(uname -r)/modules.builtin"; then echo "loaded $module"; fi
done
if [ -e {OWNED} ]; then
  while read -r line || [ -n "$line" ]; do echo "boot $line"; done <{OWNED}
fi"""


@dataclass(frozen=True)
class Modules:
    """The modules that are loaded, and those in OWNED for the next boot."""

    loaded: frozenset[str] = frozenset()
    boot: tuple[str, ...] = ()


def collect_wanted(sources: Sequence[Source]) -> tuple[str, ...]:
    return tuple(sorted({name for source in sources for name in source.items}))


def render_read(wanted: Sequence[str]) -> str:
    return READ.format(names=join(wanted)) if wanted else ""


def parse_present(text: str) -> Modules:
    loaded: list[str] = []
    boot: list[str] = []
    for line in text.splitlines():
        word, _, name = line.partition(" ")
        if word not in ("loaded", "boot"):
            raise ValueError(f"no line of this script: '{line[:80]}'")
        (loaded if word == "loaded" else boot).append(name)
    return Modules(frozenset(loaded), tuple(boot))


def diff_state(wanted: Sequence[str], present: Modules, earlier: Sequence[Change]) -> list[Change]:
    changes = []
    for name in wanted:
        aspects = []
        if name not in present.loaded:
            aspects.append(Aspect("now", "absent", "loaded"))
        if name not in present.boot:
            aspects.append(Aspect("at boot", "absent", "loaded"))
        if aspects:
            changes.append(Change(NAME, name, tuple(aspects)))
    for name in dict.fromkeys(present.boot if wanted else ()):
        if name not in wanted:
            changes.append(Change(NAME, name, (Aspect("at boot", "loaded", "not named by a role"),)))
    return changes


def make_steps(wanted: Sequence[str], changes: Sequence[Change]) -> list[Step]:
    steps = []
    names = [change.name for change in changes if change.changes("now")]
    if names:
        title = "load kernel module " + ", ".join(f"'{name}'" for name in names)
        script = "\n".join(f"modprobe -- {name}" for name in names)
        steps.append(Step(title, script, NAME, RANK))
    if any(change.changes("at boot") for change in changes):
        steps.append(Step(f"write file '{OWNED}'", render_owned(OWNED, wanted), NAME, RANK))
    return steps


def explain_failure(log: str) -> Fault | None:
    match = re.search(r"Module (\S+) not found", log)
    return Fault(f"load kernel module '{match[1]}'", "this kernel does not have it") if match else None
