"""Plants for LXC's limits: left out, a little too large, refused, and with the keys of the other cgroup version."""

from __future__ import annotations

from plant import NOT_ENFORCED, Plant, limited, limits_left_out, limits_too_large

LXC, BOTH = ("lxc",), ("lxc", "lxc-unprivileged")
OWN = "{{ 'cgroup2' if host.cgroup == 'v2' else 'cgroup' }}"
OTHER = "{{ 'cgroup' if host.cgroup == 'v2' else 'cgroup2' }}"


PLANTS = (
    *limits_left_out(*BOTH),
    *limits_too_large(*BOTH),
    *(
        Plant(
            f"{name} limit in the other cgroup version's key",
            LXC,
            {f"lim.{name}": fragment},
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
