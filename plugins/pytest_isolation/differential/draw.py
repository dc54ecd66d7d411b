"""Draws OCI configurations: removes and adds walls at random, each configuration from its own seed.

In: a seed.
Out: `Drawn`, edits of the config.json that `runc spec` writes (OCI runtime-spec, config.md), and smaller variants.
Makes nothing and judges nothing.

All configurations are harmless.
Without a namespace they do not write what belongs to it (a host name).
They grant no device that acts when it is opened.
They do not ask for CAP_SYS_RESOURCE, which not every root has.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_isolation.differential import edits, filters, mounts
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
    One configuration: its seed and the choice for each feature.

    Attributes:
        seed: draws the same configuration again.
        chosen: feature to its choice; a missing feature is as in the stock configuration.
    """

    seed: int
    chosen: Mapping[str, Any]

    def __str__(self) -> str:
        parts = (f"{name}: {_words(value)}" for name, value in self.chosen.items())
        return f"seed {self.seed}: {'; '.join(parts) or 'stock'}"

    def edits(self, place: Place) -> tuple[Edit, ...]:
        """Return the edits of a stock config.json; their order does not matter."""
        return tuple(FEATURES[name].edit(value, place) for name, value in self.chosen.items())

    def smaller(self) -> Iterator[Drawn]:
        """Yield the variants with one feature as in the stock configuration, or with one item less of a feature."""
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
    One thing in which configurations differ.

    Attributes:
        choose: draws a choice, given the choices before; None: as in the stock configuration.
        edit: returns the edit for a choice.
    """

    choose: Callable[[random.Random, Mapping[str, Any]], Any]
    edit: Callable[[Any, Place], Edit]


def draw_config(seed: int, place: Place) -> Drawn:
    """
    Draw one configuration.

    Args:
        seed: the same seed draws the same configuration.
        place: what of the host may be named; it removes choices and never changes the others.
    """
    dice = random.Random(seed)
    chosen: dict[str, Any] = {}
    for name, feature in FEATURES.items():
        choice = feature.choose(dice, chosen)
        if choice is not None and (name != "shared bind" or place.shared is not None):
            chosen[name] = choice
    return Drawn(seed, chosen)


def shrink(drawn: Drawn, still: Callable[[Drawn], bool]) -> Drawn:
    """Return the smallest configuration for which `still` is true; removes one thing at a time."""
    for smaller in drawn.smaller():
        if still(smaller):
            return shrink(smaller, still)
    return drawn


def _words(value: Any) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)


def _sometimes(share: float, *choices: Any) -> Callable[[random.Random, Mapping[str, Any]], Any]:
    """Return a chooser that makes a choice in a share of the draws; it uses the same random numbers in any case."""

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
    """In a user namespace no node can be made: runtimes bind the host's own, which may not exist."""
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


def _choose_allow_list(dice: random.Random, chosen: Mapping[str, Any]) -> tuple[str, ...] | None:
    added = sorted(dice.sample(sorted(filters.ADDED), dice.choice((0, 0, 0, 1, 1, 2))))
    choice = (*added, dice.choice(list(ERRNOS)))
    return choice if dice.random() < 0.6 and "filter" not in chosen else None


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
    "allow list": Feature(_choose_allow_list, filters.allow_list),
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
    "mounts": Feature(mounts.choose, mounts.edit),
}
