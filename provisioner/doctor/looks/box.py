"""Looks at the box that machines boot: the tools that build it, a package mirror, and whether it is built.

In: a System; the nearest lab.yaml.  Out: one `Seen` each.  Builds nothing and contacts no mirror: it only reads the
sources of apt.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from provisioner.doctor.finding import Seen, lacking, limited, ok
from provisioner.doctor.look import Ask, Look, look
from provisioner.doctor.system import System, as_root
from provisioner.errors import IsolationError
from provisioner.images.mmdebstrap import read_mirrors
from provisioner.machines.box.build import ROOM
from provisioner.machines.box.recipe import load_recipe, recipe_names
from provisioner.machines.box.rootfs import TOOLS
from provisioner.machines.find import box_of
from provisioner.machines.lab import load_lab
from provisioner.paths import cache_dir

GROUP = "box"
BUILD = "provisioner box build"
COST = "no box can be built"
APT = Path("/etc/apt")
SOURCE = re.compile(r"^(deb\s.*|URIs:.*)/debian\b", re.MULTILINE)
AT_RUN = ("qemu-img",)  # each machine needs it too, for its disk


def more_looks(also: tuple[str, ...] = ()) -> list[Look]:
    """Return one look for each tool."""
    return [
        Look(GROUP, tool, _ask(tool, package), needed_for=("lab",) if tool in AT_RUN else ())
        for tool, package in TOOLS.items()
    ]


def _ask(tool: str, package: str) -> Ask:
    def ask(system: System) -> Seen:
        if system.find(tool) is not None:
            return ok("is installed")
        cost = "no machine gets a disk" if tool in AT_RUN else COST
        return lacking("is not installed", cost, as_root(system, f"apt-get install --no-install-recommends {package}"))

    return ask


@look(GROUP, "Debian mirror")
def look_at_mirror(system: System) -> Seen:
    """Look for a Debian archive in the sources of apt; the archive is not contacted."""
    suite = load_recipe("debian12").suite
    try:
        lines = read_mirrors(suite)
    except IsolationError as error:
        if _has_sources():  # apt shows them only after its first update
            seen = "apt's sources name one, but its package lists were never fetched"
            return lacking(seen, COST, as_root(system, "apt-get update"))
        return lacking(error.what.rpartition(": ")[2], COST, note=error.hint)
    return ok(f"apt's sources name {', '.join(line.split()[2] for line in lines)}")


def _has_sources() -> bool:
    """Return whether a file of sources.list(5) names a Debian archive."""
    files = [APT / "sources.list", *APT.glob("sources.list.d/*.list"), *APT.glob("sources.list.d/*.sources")]
    return any(SOURCE.search(file.read_text("utf-8", errors="replace")) for file in files if file.is_file())


@look(GROUP, "box", needed_for=("lab",))
def look_at_box(system: System) -> Seen:
    """Look for the boxes of the machines in lab.yaml, or for what prevents their build."""
    own = [machine for machine in load_lab().machines.values() if machine.box in recipe_names()]
    if not own:
        return ok("lab.yaml names only boxes that Vagrant fetches")
    without = [machine.name for machine in own if box_of(machine, build=False) is None]
    if not without:
        return ok(f"built, for {', '.join(machine.name for machine in own)}")
    seen = f"not built, for {', '.join(without)}"
    missing = [package for tool, package in TOOLS.items() if system.find(tool) is None]
    if not system.root:
        note = "run as root: only root can build a box"
        return lacking(seen, "no machine can be booted", note=note)
    if missing:
        mend = f"apt-get install --no-install-recommends {' '.join(missing)}"
        return lacking(f"{seen}, and build tools are missing", "no machine can be booted", mend)
    if shutil.disk_usage(cache_dir()).free < ROOM:
        return lacking(f"{seen}, and less than {ROOM >> 30} GiB are free", "no machine can be booted")
    return limited(seen, "the first `provisioner up` builds it, which takes a minute", BUILD)
