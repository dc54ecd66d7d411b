"""Looks at the probe, and at compilers that can build it.

In: a System.  Out: one `Seen` each.  Fetches no compiler.
"""

from __future__ import annotations

import importlib.util

from provisioner.doctor.finding import Seen, lacking, limited, ok
from provisioner.doctor.look import look
from provisioner.doctor.system import System, as_root
from provisioner.errors import IsolationError

GROUP = "probe"
INSTALL = "apt-get install --no-install-recommends musl-tools"
COST = "no sandbox can be made: each one runs the probe"


@look(GROUP, "probe", deadline="doctor.trial")
def look_at_probe(system: System) -> Seen:
    """Get the probe: from the cache, from the wheel, or compiled now."""
    try:
        built = system.probe()
    except IsolationError as error:
        return _without(system, error)
    if built.compiler == "prebuilt":
        return ok("from the wheel")
    return ok(f"built by {built.compiler}")


def _without(system: System, error: IsolationError) -> Seen:
    if _compilers(system):
        return lacking(error.what, COST, as_root(system, INSTALL), error.log.strip().split("\n")[-1])
    if system.find("apt-get") and system.find("dpkg-deb"):
        seen = "not built, and no C compiler is installed"
        return limited(seen, "the first run fetches a small compiler by apt, without root", "provisioner build")
    return lacking(error.what, COST, "pip install ziglang")


@look(GROUP, "C compiler")
def look_at_compiler(system: System) -> Seen:
    """Look for a compiler that can build the probe and the init of a box."""
    found = _compilers(system)
    if found:
        return ok(", ".join(found))
    try:
        system.probe()
    except IsolationError:
        return lacking("none is installed", COST, as_root(system, INSTALL))
    return ok("none is installed; none is needed, because the probe is built")


def _compilers(system: System) -> list[str]:
    found = [name for name in ("musl-gcc", "cc", "gcc") if system.find(name)]
    return found + (["zig"] if importlib.util.find_spec("ziglang") else [])
