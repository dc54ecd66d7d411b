"""Limits, loads and reach in made-up facts: those of limits that are in force, and of a peer that is out of reach.

In: counters.  Out: plain dicts.
"""

from __future__ import annotations

from typing import Any

Dict = dict[str, Any]
MIB = 1 << 20


def memory_files(kills: int = 0) -> Dict:
    return {
        "limit": 64 * MIB,
        "usage": MIB,
        "peak": 64 * MIB,
        "oom_kills": kills,
        "oom_kill_disable": None,
        "oom_group": 0,
    }


def swap_files() -> Dict:
    return {"limit": 64 * MIB, "swapped": 0}


def cpu_files(throttled: int = 0) -> Dict:
    return {
        "quota_us": 50_000,
        "period_us": 100_000,
        "usage_us": 1,
        "nr_periods": throttled,
        "nr_throttled": throttled,
    }


def pids_files(refusals: int = 0) -> Dict:
    return {"limit": 64, "current": 1, "refusals": refusals}


def files_limit() -> Dict:
    return {"soft": 256, "limit": 256}


def limits_of(kills: int = 0, throttled: int = 0, refusals: int = 0) -> Dict:
    return {
        "version": 2,
        "memory": memory_files(kills),
        "swap": swap_files(),
        "cpu": cpu_files(throttled),
        "pids": pids_files(refusals),
        "files": files_limit(),
        "cpuset": {"limit": 1, "cpus": "0"},
        "nproc": {"soft": 256, "limit": 256},
        "core": {"soft": MIB, "limit": MIB},
        "shm": {"limit": 8 * MIB, "mounted": True},
    }


def load_of(limit: float, ended: str, **seen: Any) -> Dict:
    nobody = {"unobserved": "", "why": "not this load"}
    measured = (
        "steps_mib",
        "cpu_us",
        "wall_us",
        "spinners",
        "host_cpus",
        "children",
        "fork_error",
        "nproc",
        "descriptors",
        "open_error",
        "swap_steps_mib",
        "swap_total",
        "cpus_used",
        "core_bytes",
        "user_children",
        "user_error",
        "core_to",
        "shm_bytes",
        "shm_error",
    )
    load = {"limit": limit, "refused": "", "warning": "", "shown": limits_of(), "inside": limit, "ended": ended}
    return load | dict.fromkeys(measured, nobody) | {"after": limits_of(1, 20, 1)} | seen


def way_of(held: int, killed: int) -> Dict:
    return {"held": held, "reached": 62 * MIB, "killed": killed, "error": "ok"}


def memory_load() -> Dict:
    ways = {name: way_of(0, 1) for name in ("memfd", "sysv", "tmpfs")}
    ways |= {name: way_of(48 * MIB, 1) for name in ("anonymous", "pipes", "sockets")}
    return load_of(float(64 * MIB), "signal SIGKILL", steps_mib=62, ways=ways)


def swap_load() -> Dict:
    return load_of(float(64 * MIB), "signal SIGKILL", swap_steps_mib=62, swap_total=0)


def cpu_load() -> Dict:
    return load_of(0.5, "exit 0", cpu_us=1_020_000, wall_us=2_000_000, spinners=4, host_cpus=4)


def pids_load() -> Dict:
    ways = {name: {"held": 60, "reached": 60, "killed": 0, "error": "EAGAIN"} for name in ("threads", "orphans")}
    return load_of(64.0, "exit 0", children=62, fork_error="EAGAIN", nproc=None, ways=ways)


def files_load() -> Dict:
    return load_of(256.0, "exit 0", descriptors=256, open_error="EMFILE")


def cpuset_load() -> Dict:
    return load_of(1.0, "exit 0", cpus_used="0", host_cpus=4)


def core_load() -> Dict:
    return load_of(float(MIB), "exit 0", core_bytes=MIB, core_to="file")


def nproc_load() -> Dict:
    return load_of(256.0, "exit 0", user_children=254, user_error="EAGAIN")


def shm_load() -> Dict:
    return load_of(float(8 * MIB), "exit 0", shm_bytes=8 * MIB, shm_error="ENOSPC")


def refused_reach() -> Dict:
    return {"network": "none", "control": "connected", "outcome": "refused", "token_seen": False, "accepted": 1}
