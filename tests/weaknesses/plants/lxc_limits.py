"""Plants for LXC's limits: left out, a little too large, refused, and with the keys of the other cgroup version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from plant import NOT_ENFORCED, Make, Plant, flags, limited, limited_beside, limits_left_out, limits_too_large, opened

LXC, BOTH = ("lxc",), ("lxc", "lxc-unprivileged")
OWN = "{{ 'cgroup2' if host.cgroup == 'v2' else 'cgroup' }}"
OTHER = "{{ 'cgroup' if host.cgroup == 'v2' else 'cgroup2' }}"

MEMORY_ALONE = (
    "{{ 'lxc.cgroup2.memory.max' if host.cgroup == 'v2' else 'lxc.cgroup.memory.limit_in_bytes' }}={{ bytes }}"
)

# common.conf keeps CAP_SYS_RESOURCE, with which a process raises its own limits: the limit on open files is open before
DROPPED = flags("--define", "lxc.cap.drop=sys_resource")
BASES: dict[tuple[str, str], Make] = {("lxc", "without CAP_SYS_RESOURCE"): DROPPED}


def _bounded(plant: Plant) -> tuple[Plant, ...]:
    """Return a plant; where a privileged sandbox may raise the limit, for one that may not."""
    if plant.limit not in ("files", "core"):
        return (plant,)
    assert isinstance(plant.spec, Mapping)
    bounded = replace(plant, runtimes=LXC, base="without CAP_SYS_RESOURCE", spec={**plant.spec, **DROPPED})
    return bounded, replace(plant, runtimes=("lxc-unprivileged",))


PLANTS = (
    *(one for plant in (*limits_left_out(*BOTH), *limits_too_large(*BOTH)) for one in _bounded(plant)),
    Plant(
        "a tmpfs without a size",
        BOTH,
        {"lim.tmpfs": "/tmp: no size"},
        spec=flags("--define", "lxc.mount.entry=scratch tmp tmpfs nosuid,nodev 0 0"),
    ),
    Plant(
        "memory limit without swap",
        BOTH,
        {"lim.swap": "memory and swap get no limit together"},
        limit="swap",
        verdict="ignored",
        overlay=limited_beside("swap", {"flags": ["--define", MEMORY_ALONE]}, {}),
        where="both",
    ),
    *(
        Plant(
            f"{name} limit in the other cgroup version's key",
            LXC,
            {f"lim.{name}": fragment},
            opened("lim.memory_escape") if name == "memory" else {},
            limit=name,
            verdict="ignored",
            overlay=limited(name, flags=["--define", f"lxc.{OTHER}.{key}"]),
        )
        for (name, fragment), key in zip(
            NOT_ENFORCED[:3],  # those of a cgroup
            ("memory.max={{ bytes }}", "cpu.max={{ quota }} {{ period }}", "pids.max={{ count }}"),
            strict=True,
        )
    ),
    *(
        Plant(
            f"{name} limit refused",
            LXC,
            {f"lim.{name}": fragment},
            limit=name,
            verdict="refused",
            overlay=limited(name, flags=["--define", f"lxc.{OWN}.{key}"]),
        )
        for name, fragment, key in (
            ("memory", 'Failed to set "memory.no_such_key"', "memory.no_such_key=1"),
            ("cpu", 'Failed to set "cpu.no_such_key"', "cpu.no_such_key=1"),
            ("pids", 'Failed to set "pids.max" to "many"', "pids.max=many"),
        )
    ),
)
