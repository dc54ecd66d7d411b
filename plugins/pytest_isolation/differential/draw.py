"""Draws OCI configurations: walls taken away and added at random, each from a seed that names it.

In: a seed.  Out: `Drawn`, edits of the config.json that `runc spec` writes (OCI runtime-spec, config.md), and what it
shrinks to.  Called by run.py and by tests that predict verdicts.  Makes nothing and judges nothing.

Whatever is drawn is harmless: what would be written to the host without a namespace (a host name) is left out with it,
no device that acts when it is opened is granted, and CAP_SYS_RESOURCE, which not every root has, is never asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_isolation.differential import edits
from pytest_isolation.differential.edits import DEVICES, ERRNOS, MAPS, SETS, Edit, Place

NAMESPACES = ("pid", "network", "ipc", "uts")
# What a user namespace must own to mount proc, sysfs and mqueue: mount_namespaces(7), user_namespaces(7).
OWNED_MOUNTS = ("pid", "network", "ipc")
CAPABILITIES = (
    *("SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_TIME", "SYS_BOOT", "SYS_RAWIO", "NET_ADMIN", "NET_RAW", "MKNOD"),
    *("DAC_READ_SEARCH", "DAC_OVERRIDE", "BPF", "PERFMON", "SYSLOG", "CHOWN", "SETUID"),
)
CALLS = (
    *("bpf", "perf_event_open", "open_by_handle_at", "userfaultfd", "add_key", "request_key", "quotactl", "kcmp"),
    *("move_pages", "personality", "acct", "swapon", "swapoff", "iopl", "ioperm", "kexec_file_load"),
)
STOCK = ("AUDIT_WRITE", "KILL", "NET_BIND_SERVICE")  # what `runc spec` and `crun spec` write
EXTRA_MASK = "/proc/config.gz"


@dataclass(frozen=True)
class Drawn:
    """
    One configuration: its seed and what was chosen of each feature.

    Attributes:
        seed: draws it again.
        chosen: feature to its choice; a feature that is not there is as stock.
    """

    seed: int
    chosen: Mapping[str, Any]

    def __str__(self) -> str:
        parts = (f"{name}: {_words(value)}" for name, value in self.chosen.items())
        return f"seed {self.seed}: {'; '.join(parts) or 'stock'}"

    def edits(self, place: Place) -> tuple[Edit, ...]:
        """Return what makes it of a stock config.json, in an order that does not matter."""
        return tuple(FEATURES[name].edit(value, place) for name, value in self.chosen.items())

    def smaller(self) -> Iterator[Drawn]:
        """Yield what differs from it by one feature that is stock, or one item less of a feature with several."""
        for name, value in self.chosen.items():
            yield replace(self, chosen={other: kept for other, kept in self.chosen.items() if other != name})
            if isinstance(value, tuple) and len(value) > 1:
                for item in value:
                    if item in ERRNOS:
                        continue  # a filter needs one
                    less = tuple(one for one in value if one != item)
                    yield replace(self, chosen={**self.chosen, name: less})


@dataclass(frozen=True)
class Feature:
    """
    One thing that configurations differ in.

    Attributes:
        choose: draws a choice, given what was chosen before; None leaves it as stock.
        edit: what makes a choice of a stock config.json.
    """

    choose: Callable[[random.Random, Mapping[str, Any]], Any]
    edit: Callable[[Any, Place], Edit]


def draw_config(seed: int, place: Place) -> Drawn:
    """
    Draw one configuration.

    Args:
        seed: the same one draws the same.
        place: what of the host may be named; it decides which choices there are, never which one is drawn.
    """
    dice = random.Random(seed)
    chosen: dict[str, Any] = {}
    for name, feature in FEATURES.items():
        choice = feature.choose(dice, chosen)
        if choice is not None and (name != "shared bind" or place.shared is not None):
            chosen[name] = choice
    return Drawn(seed, chosen)


def shrink(drawn: Drawn, still: Callable[[Drawn], bool]) -> Drawn:
    """Return the smallest configuration of which something is still so, taking one thing away after the other."""
    for smaller in drawn.smaller():
        if still(smaller):
            return shrink(smaller, still)
    return drawn


def _words(value: Any) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)


def _sometimes(share: float, *choices: Any) -> Callable[[random.Random, Mapping[str, Any]], Any]:
    """Return a chooser that leaves it as stock but for a share of the draws; it throws its dice in any case."""

    def choose(dice: random.Random, chosen: Mapping[str, Any]) -> Any:
        choice = dice.choice(choices)
        return choice if dice.random() < share else None

    return choose


def _some_of(share: float, items: Sequence[str], most: int) -> Callable[[random.Random, Mapping[str, Any]], Any]:
    def choose(dice: random.Random, chosen: Mapping[str, Any]) -> Any:
        found = tuple(sorted(dice.sample(items, dice.randint(1, most))))
        return found if dice.random() < share else None

    return choose


def _choose_device(dice: random.Random, chosen: Mapping[str, Any]) -> str | None:
    """In a user namespace no node can be made: runtimes bind the host's own there, and it may have none."""
    choice = _sometimes(0.3, *DEVICES)(dice, chosen)
    return None if "user namespace" in chosen else choice


def _dropped(dice: random.Random, chosen: Mapping[str, Any]) -> tuple[str, ...] | None:
    kinds = tuple(kind for kind in NAMESPACES if dice.random() < 0.25)
    if "user namespace" in chosen:
        kinds = tuple(kind for kind in kinds if kind not in OWNED_MOUNTS)
    return kinds or None


def _granted(dice: random.Random, chosen: Mapping[str, Any]) -> tuple[str, ...] | None:
    names = tuple(sorted(dice.sample(CAPABILITIES, dice.randint(1, 6))))
    where = dice.choice(list(SETS))
    return tuple(f"{name} in {where}" for name in names) if dice.random() < 0.7 else None


def _choose_filter(dice: random.Random, chosen: Mapping[str, Any]) -> tuple[str, ...] | None:
    spared = set(dice.sample(CALLS, dice.choice((0, 0, 0, 1, 1, 2))))
    errno = dice.choice(list(ERRNOS))
    found = (*(call for call in CALLS if call not in spared), errno)
    return found if dice.random() < 0.6 else None


MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"),
    *("/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"),
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

FEATURES: dict[str, Feature] = {
    "user namespace": Feature(_sometimes(0.4, *MAPS), edits.user_namespace),
    "namespaces left out": Feature(_dropped, edits.drop_namespaces),
    "cgroup namespace": Feature(_sometimes(0.5, "own", "the host's"), edits.cgroup_namespace),
    "user": Feature(_sometimes(0.4, 1000), edits.user),
    "groups": Feature(_sometimes(0.3, (6,), (6, 44)), edits.groups),
    "capabilities": Feature(_granted, edits.grant),
    "capabilities left out": Feature(_some_of(0.3, STOCK, 3), edits.withhold),
    "no_new_privs": Feature(_sometimes(0.5, False), edits.no_new_privileges),
    "filter": Feature(_choose_filter, edits.filter),
    "not masked": Feature(_some_of(0.3, (*MASKED, "all", f"+{EXTRA_MASK}"), 3), edits.paths("maskedPaths")),
    "not read-only": Feature(_some_of(0.4, (*READ_ONLY, "all"), 2), edits.paths("readonlyPaths")),
    "/sys writable": Feature(_sometimes(0.25, "/sys"), edits.writable),
    "cgroups writable": Feature(_sometimes(0.25, "/sys/fs/cgroup"), edits.writable),
    "root read-only": Feature(_sometimes(0.5, False), edits.root),
    "bind": Feature(_sometimes(0.4, "own folder", "/etc", "/usr/share"), edits.bind),
    "shared bind": Feature(_sometimes(0.3, "rshared", "rslave", "rprivate"), edits.shared_bind),
    "device": Feature(_choose_device, edits.device),
    "environment": Feature(_some_of(0.2, ("API_TOKEN", "https_proxy", "GREETING"), 2), edits.environment),
    "open files": Feature(_sometimes(0.2, 256, 512), edits.open_files),
}
