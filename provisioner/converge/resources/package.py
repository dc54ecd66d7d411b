"""The kind `package`: Debian packages, read from dpkg and installed by apt-get.

In: package names.  Out: changes "absent → installed", and "half-configured → configured" for packages that an
interrupted run left.  Packages are never removed or upgraded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import join
from typing import Annotated

from pydantic import Field

from provisioner.converge.kinds import Aspect, Change, Fault, Step
from provisioner.converge.templates import Source

NAME = "package"
KEY = "packages"
RANK = 10
FIELD = list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]]

# the second letter of dpkg-query's db:Status-Abbrev (dpkg-query(1))
STATUS = {
    "n": "absent",
    "c": "removed, its configuration is left",
    "H": "half-installed",
    "U": "unpacked",
    "F": "half-configured",
    "W": "triggers awaited",
    "t": "triggers pending",
    "i": "installed",
}
BROKEN = ("half-installed", "unpacked", "half-configured", "to be reinstalled")
INTERRUPTED = "!interrupted"
# a file in updates/ makes apt-get refuse everything until `dpkg --configure -a` (dpkg's modstatdb)
READ = f"""\
dpkg-query --show --showformat='${{Package}} ${{db:Status-Abbrev}}\\n' || echo '!missing'
for update in /var/lib/dpkg/updates/[0-9]*; do [ ! -e "$update" ] || echo '{INTERRUPTED}'; done"""
# confold: dpkg must not stop and ask about a file that a role has written
APT = """\
apt() {
  LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 \\
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}
"""
CONFIGURE = """\
DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --configure -a || :
apt --fix-broken install"""
# The first try shows whether package lists are missing or old: other machines need no update.
INSTALL = """\
if ! apt install -- {names}; then
  grep -Eq 'Unable to locate package|no installation candidate|404 ' "$log"
  : >"$log"
  apt update
  apt install -- {names}
fi"""
MIRROR = re.compile(r"^(Err:|E: Failed to fetch|W: Failed to fetch)", re.MULTILINE)


@dataclass(frozen=True)
class Packages:
    """The status of each package as dpkg reports it, and whether dpkg was interrupted."""

    status: Mapping[str, str]
    interrupted: bool = False


def collect_wanted(sources: Sequence[Source]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for source in sources for name in source.items))


def render_read(wanted: Sequence[str]) -> str:
    return READ if wanted else ""


def parse_present(text: str) -> Packages:
    status: dict[str, str] = {}
    lines = text.splitlines()
    if "!missing" in lines:
        raise ValueError("dpkg does not answer")
    for line in lines:
        if line == INTERRUPTED:
            continue
        match = re.fullmatch(r"(\S+) [a-z]([a-zA-Z])([ R]?)", line)
        if match is None:
            raise ValueError(f"no line of dpkg-query: '{line}'")
        name, letter, error = match.groups()
        word = "to be reinstalled" if error == "R" else STATUS.get(letter, letter)
        if status.get(name) != "installed":  # of another architecture
            status[name] = word
    return Packages(status, INTERRUPTED in lines)


def diff_state(wanted: Sequence[str], present: Packages, earlier: Sequence[Change]) -> list[Change]:
    if not wanted:
        return []
    changes = []
    for name in wanted:
        status = present.status.get(name, "absent")
        if status != "installed" and not status.startswith("triggers"):
            changes.append(Change(NAME, name, (Aspect("status", status, "installed"),)))
    for name, status in sorted(present.status.items()):
        if status in BROKEN and name not in wanted:
            changes.append(Change(NAME, name, (Aspect("status", status, "configured"),)))
    if present.interrupted:
        changes.append(Change(NAME, "dpkg", (Aspect("journal", "left half-way", "finished"),)))
    return changes


def make_steps(wanted: Sequence[str], changes: Sequence[Change]) -> list[Step]:
    steps = []
    if any(change.name not in wanted or change.aspects[0].before in BROKEN for change in changes):
        steps.append(Step("configure what dpkg left half-way", APT + CONFIGURE, NAME, RANK, "converge.install"))
    names = [change.name for change in changes if change.name in wanted and change.changes("status")]
    if names:
        title = "install " + ", ".join(f"'{name}'" for name in names)
        steps.append(Step(title, APT + INSTALL.format(names=join(names)), NAME, RANK, "converge.install"))
    return steps


def explain_failure(log: str) -> Fault | None:
    if "No space left on device" in log or "You don't have enough free space" in log:
        return Fault("install packages", "there is no space left", "free some space there")
    if MIRROR.search(log):
        return Fault("install packages", "its package mirror cannot be reached", "check its /etc/apt and its network")
    missing = re.findall(r"^E: (?:Unable to locate package (\S+)|Package '(\S+)' has no)", log, re.MULTILINE)
    if missing:
        return Fault(f"install '{''.join(missing[0])}'", "no such package", "see the packages in role.yaml")
    failed = re.search(r"Errors were encountered while processing:\n (\S+)", log)
    if failed:
        return Fault(f"install '{failed[1]}'", "its installation script failed", "run again with -v to see the output")
    return None
