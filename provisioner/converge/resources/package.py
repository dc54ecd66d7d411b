"""The kind `package`: Debian packages, read from dpkg and installed by apt-get.

In: package names, some of them for a version of Debian and later ones.
Out: changes "absent → installed", and "half-configured → configured" for packages that an interrupted run left.
Packages are never removed or upgraded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import join
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from provisioner.converge.kinds import Aspect, Change, Fault, Step
from provisioner.converge.templates import Source

NAME = "package"
KEY = "packages"
RANK = 10
NEWEST = 999  # Debian's testing and unstable have no version (os-release(5))
PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]


class LaterPackage(BaseModel):
    """
    A package in role.yaml that only newer versions of Debian have or need.

    Attributes:
        name: its name.
        debian: the first version of Debian where it is installed; on other distributions it is not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: PackageName
    debian: Annotated[int, Field(ge=1, le=NEWEST)]


FIELD = list[PackageName | LaterPackage]
Wanted = Sequence[str | LaterPackage]

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
RELEASE = "!debian "
READ = f"""\
[ ! -r /etc/os-release ] || (
  . /etc/os-release
  [ "${{ID-}}" != debian ] || echo "{RELEASE}${{VERSION_ID:-{NEWEST}}}"
)
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
    """
    What a machine has.

    Attributes:
        status: the status of each package as dpkg reports it.
        interrupted: whether dpkg was interrupted.
        debian: the version of Debian; 0 for another distribution.
    """

    status: Mapping[str, str]
    interrupted: bool = False
    debian: int = 0


def collect_wanted(sources: Sequence[Source]) -> tuple[str | LaterPackage, ...]:
    return tuple(dict.fromkeys(item for source in sources for item in source.items))


def render_read(wanted: Wanted) -> str:
    return READ if wanted else ""


def parse_present(text: str) -> Packages:
    status: dict[str, str] = {}
    debian = 0
    lines = text.splitlines()
    if "!missing" in lines:
        raise ValueError("dpkg does not answer")
    for line in lines:
        if line == INTERRUPTED:
            continue
        if release := re.fullmatch(rf"{RELEASE}(\d{{1,3}})(\.\d+)*", line):
            debian = int(release[1])
            continue
        match = re.fullmatch(r"(\S+) [a-z]([a-zA-Z])([ R]?)", line)
        if match is None:
            raise ValueError(f"no line of dpkg-query: '{line}'")
        name, letter, error = match.groups()
        word = "to be reinstalled" if error == "R" else STATUS.get(letter, letter)
        if status.get(name) != "installed":  # of another architecture
            status[name] = word
    return Packages(status, INTERRUPTED in lines, debian)


def diff_state(wanted: Wanted, present: Packages, earlier: Sequence[Change]) -> list[Change]:
    if not wanted:
        return []
    changes = []
    names = _names(wanted, present.debian)
    for name in names:
        status = present.status.get(name, "absent")
        if status != "installed" and not status.startswith("triggers"):
            changes.append(Change(NAME, name, (Aspect("status", status, "installed"),)))
    for name, status in sorted(present.status.items()):
        if status in BROKEN and name not in names:
            changes.append(Change(NAME, name, (Aspect("status", status, "configured"),)))
    if present.interrupted:
        changes.append(Change(NAME, "dpkg", (Aspect("journal", "left half-way", "finished"),)))
    return changes


def _names(wanted: Wanted, debian: int) -> tuple[str, ...]:
    """Return the names of the packages that are wanted on a version of Debian, each once."""
    names = (one if isinstance(one, str) else one.name if debian >= one.debian else "" for one in wanted)
    return tuple(dict.fromkeys(name for name in names if name))


def make_steps(wanted: Wanted, changes: Sequence[Change]) -> list[Step]:
    steps = []
    known = _names(wanted, NEWEST)  # what is not for this machine has no change
    if any(change.name not in known or change.aspects[0].before in BROKEN for change in changes):
        steps.append(Step("configure what dpkg left half-way", APT + CONFIGURE, NAME, RANK, "converge.install"))
    names = [change.name for change in changes if change.name in known and change.changes("status")]
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
