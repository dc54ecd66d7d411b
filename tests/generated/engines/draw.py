"""Draws flags of `docker run` and `podman run`, each configuration from its own seed.

In: a seed.  Out: `Drawn`: choices by feature.  Makes nothing.

All configurations are harmless.  What is bound is not written: the probe opens files for writing only in procfs and
sysfs.  Folders of the host are bound read-only.  No device acts when it is opened.  CAP_SYS_RESOURCE is not asked for,
which not every root has.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from pytest_isolation.differential.draw import Drawn
from pytest_isolation.differential.filters import ADDED

CAPABILITIES = (
    *("SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_TIME", "SYS_BOOT", "SYS_RAWIO", "NET_ADMIN", "NET_RAW", "MKNOD"),
    *("DAC_READ_SEARCH", "SYS_NICE", "SYS_PACCT", "SYS_TTY_CONFIG", "SYSLOG", "IPC_LOCK", "LEASE", "AUDIT_WRITE"),
    *("ALL", "ALL"),
)
DROPPED = ("CHOWN", "DAC_OVERRIDE", "KILL", "SETUID", "SETGID", "NET_BIND_SERVICE", "SYS_CHROOT", "ALL", "ALL")
FOLDERS = ("/etc", "/etc/ssl/certs", "/usr/bin", "/usr/share/zoneinfo", "/var/log", "/var/lib/dpkg")  # read-only
FILES = ("/etc/passwd", "/etc/hosts", "/etc/hostname", "/etc/os-release")
OWN = ("own folder", "own file")
NAMES = ("a", "b c", "etc", "proc", "x.y", "ä", "-o", "volumes")
DEVICES = ("/dev/fuse", "/dev/zero:/dev/zz", "/dev/null:/dev/other:r", "/dev/urandom:/dev/deep/er/random:rw")
ERRNOS = ("EPERM", "ENOSYS")
Choose = Callable[[random.Random, Mapping[str, Any]], Any]


def _sometimes(share: float, *choices: Any) -> Choose:
    def choose(dice: random.Random, chosen: Mapping[str, Any]) -> Any:
        choice = dice.choice(choices)
        return choice if dice.random() < share else None

    return choose


def _unless(feature: str, choose: Choose) -> Choose:
    """Draw nothing beside another feature: together the documentation promises nothing."""

    def choose_unless(dice: random.Random, chosen: Mapping[str, Any]) -> Any:
        choice = choose(dice, chosen)
        return None if feature in chosen else choice

    return choose_unless


def _capabilities(dice: random.Random, chosen: Mapping[str, Any]) -> tuple[str, ...] | None:
    """No name is both added and dropped, which podman refuses."""
    added = set(dice.sample(CAPABILITIES, dice.choice((0, 1, 1, 2, 3))))
    dropped = set(dice.sample(DROPPED, dice.choice((0, 0, 1, 2)))) - added
    if "ALL" in added:
        added = {"ALL"}
    found = (*(f"+{name}" for name in sorted(added)), *(f"-{name}" for name in sorted(dropped)))
    return found if found and dice.random() < 0.6 else None


def _seccomp(dice: random.Random, chosen: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Draw no filter, or docker's allow list with some calls more; the last item is the errno of what it refuses."""
    added = sorted(dice.sample(sorted(ADDED), dice.choice((0, 1, 1, 2))))
    choice = dice.choice((("unconfined",), (*added, dice.choice(ERRNOS))))
    return choice if dice.random() < 0.35 else None


def _binds(dice: random.Random, chosen: Mapping[str, Any]) -> tuple[str, ...] | None:
    found = []
    for number in range(dice.randint(1, 3)):
        source = dice.choice((*FOLDERS, *FILES, *OWN))
        mode = "ro" if source in FOLDERS else dice.choice(("ro", "rw"))
        names = [dice.choice(NAMES) for _ in range(dice.randint(0, 4))]
        found.append(f"{source} at {'/'.join(['/drawn', str(number), *names])}, {mode}")
    return tuple(found) if dice.random() < 0.4 else None


def _some_of(share: float, *items: str) -> Choose:
    def choose(dice: random.Random, chosen: Mapping[str, Any]) -> Any:
        found = tuple(sorted(dice.sample(items, dice.randint(1, min(2, len(items))))))
        return found if dice.random() < share else None

    return choose


FEATURES: dict[str, Choose] = {
    "privileged": _sometimes(0.04, True),
    "capabilities": _unless("privileged", _capabilities),
    "seccomp": _unless("privileged", _seccomp),
    "no_new_privs": _sometimes(0.35, True),
    "system paths": _unless("privileged", _sometimes(0.2, "unconfined")),
    "apparmor": _unless("privileged", _sometimes(0.1, "unconfined")),
    "pid": _sometimes(0.15, "host"),
    "ipc": _sometimes(0.3, "host", "private", "shareable", "none"),
    "uts": _sometimes(0.15, "host"),
    "network": _sometimes(0.15, "host"),
    "userns": _sometimes(0.1, "host"),
    "cgroupns": _sometimes(0.4, "host", "private"),
    "read-only": _sometimes(0.35, True),
    "tmpfs": _sometimes(0.2, "/t", "/t:size=1m", "/deep/er/t:mode=755"),
    "binds": _binds,
    "devices": _unless("privileged", _some_of(0.25, *DEVICES)),
    "user": _sometimes(0.3, "1000:1000", "1000", "65534:65534", "0:1000"),
    "groups": _some_of(0.2, "6", "44", "5000", "70000"),
    "open files": _sometimes(0.2, 256, 1024),
    "memory": _sometimes(0.2, "64m"),
    "cpus": _sometimes(0.2, "0.5"),
    "pids": _sometimes(0.2, "64", "-1"),
    "sysctl": _some_of(0.2, "net.ipv4.ip_forward=1", "kernel.msgmax=4096", "net.ipv4.conf.all.rp_filter=1"),
    "shm": _sometimes(0.1, "1m"),
    "environment": _some_of(0.2, "API_TOKEN", "https_proxy", "GREETING"),
    "init": _sometimes(0.1, True),
    "label": _sometimes(0.1, "a=b"),
}


def draw_flags(seed: int) -> Drawn:
    """
    Draw one configuration.

    Args:
        seed: the same seed draws the same configuration.
    """
    dice = random.Random(seed)
    chosen: dict[str, Any] = {}
    for name, choose in FEATURES.items():
        choice = choose(dice, chosen)
        if choice is not None:
            chosen[name] = choice
    return Drawn(seed, chosen)
