"""Looks at what this user may do: make user namespaces, map ids, use the capabilities of root.

In: a System.  Out: one `Seen` each.  User namespaces are tried; sysctls only explain a failed trial.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from provisioner.connection.local import last_line
from provisioner.doctor.finding import Seen, lacking, limited, ok, unknown
from provisioner.doctor.look import look
from provisioner.doctor.system import System, as_root

UNPRIVILEGED = "65534"  # nobody
DROP = ("setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups")
TRY = ("unshare", "--user", "--map-root-user", "true")


@dataclass(frozen=True)
class Switch:
    """A sysctl that can forbid user namespaces: the value that forbids them, and one that allows them."""

    name: str
    shut: str
    open: str


SWITCHES = (
    Switch("kernel.unprivileged_userns_clone", "0", "1"),  # Debian's kernel patch
    Switch("user.max_user_namespaces", "0", "10000"),  # namespaces(7)
    Switch("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),  # Ubuntu from 23.10 on
)

# capabilities(7): the bit, and what fails without the capability
COSTS = {
    "SYS_ADMIN": (21, "nothing can be mounted: no runtime starts as root"),
    "NET_ADMIN": (12, "no network can be set up: neither the lab's nor a daemon's"),
    "SETUID": (7, "no process can change to an unprivileged user: no column 'unshare'"),
    "SYS_CHROOT": (18, "no box can be built"),
    "MKNOD": (27, "no box can be built"),
    "SYS_PTRACE": (19, "processes of other users cannot be inspected from outside"),
    "SYS_RESOURCE": (24, "docker --privileged and raised rlimits are refused"),
}


@look("users", "user namespaces")
def look_at_user_namespaces(system: System) -> Seen:
    """Try to make one as an unprivileged user, with root mapped."""
    needed = ("setpriv", "unshare") if system.root else ("unshare",)
    for program in needed:
        if system.find(program) is None:
            mend = as_root(system, "apt-get install util-linux")
            return unknown(f"not tried: {program} is not installed", "no column 'unshare'", mend)
    done = system.run([*(DROP if system.root else ()), *TRY])
    if done.status == 0:
        return ok("an unprivileged user may make them")
    if done.stderr.startswith(b"setpriv:"):
        return unknown(f"not tried: {done.last_words}")
    cost = "no column 'unshare', and no rootless podman or docker"
    shut = [switch for switch in SWITCHES if _value(system, switch) == switch.shut]
    if shut:
        seen = ", ".join(f"{switch.name} = {switch.shut}" for switch in shut)
        settings = " ".join(f"{switch.name}={switch.open}" for switch in shut)
        return lacking(f"refused: {seen}", cost, as_root(system, f"sysctl -w {settings}"))
    note = "no sysctl forbids it: a seccomp filter or an LSM does, from outside this system"
    return lacking(f"refused: {last_line(done.stderr)}", cost, note=note)


def _value(system: System, switch: Switch) -> str:
    return (system.read(f"/proc/sys/{switch.name.replace('.', '/')}") or "").strip()


@look("users", "subordinate ids")
def look_at_subordinate_ids(system: System) -> Seen:
    """Look whether this user may map more ids than its own: newuidmap(1), subuid(5), subgid(5)."""
    mapped = system.find("newuidmap") is not None and system.find("newgidmap") is not None
    if system.root and not mapped:
        return ok("root maps ids without them")
    cost = "rootless podman maps one id only: most images do not run"
    if not mapped:
        return lacking("newuidmap is not installed", cost, as_root(system, "apt-get install uidmap"))
    without = [file for file in ("/etc/subuid", "/etc/subgid") if not _has_range(system, file)]
    if not without:
        return ok(f"{system.user} has ranges")
    ranges = "--add-subuids 100000-165535 --add-subgids 100000-165535"
    mend = as_root(system, f"usermod {ranges} {system.user}")
    seen = f"{system.user} has no range in {' and '.join(without)}"
    if system.root:
        return limited(seen, "no column 'lxc-unprivileged': with newuidmap, LXC needs a range for root too", mend)
    if re.search(r"^subid:", system.read("/etc/nsswitch.conf") or "", re.MULTILINE):
        return unknown(f"{', '.join(without)}: no range, but nsswitch.conf names another source", cost)
    return lacking(seen, cost, mend)


def _has_range(system: System, file: str) -> bool:
    owners = {line.split(":")[0] for line in (system.read(file) or "").splitlines() if line.count(":") == 2}
    return bool(owners & {system.user, str(os.geteuid())})


@look("users", "capabilities")
def look_at_capabilities(system: System) -> Seen:
    """Look which capabilities root lacks here; in a container it often lacks some."""
    if not system.root:
        return ok(f"{system.user} is not root and has none")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", system.read("/proc/self/status") or "", re.MULTILINE)
    last = (system.read("/proc/sys/kernel/cap_last_cap") or "").strip()
    if found is None or not last.isdigit():
        return unknown("/proc shows no capabilities")
    missing = ((1 << (int(last) + 1)) - 1) & ~int(found[1], 16)
    if not missing:
        return ok("root has all")
    named = {name: cost for name, (bit, cost) in COSTS.items() if missing >> bit & 1}
    others = missing.bit_count() - len(named)
    seen = "root lacks " + ", ".join([f"CAP_{name}" for name in named] + ([f"{others} others"] if others else []))
    cost = "; ".join(dict.fromkeys(named.values())) or "no known consequence"
    options = " ".join(f"--cap-add {name}" for name in named)
    note = "only the program that started this system can grant them" + (f": docker run {options}" if options else "")
    return limited(seen, cost, note=note)
