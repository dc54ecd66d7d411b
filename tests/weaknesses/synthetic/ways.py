"""Synthetic weaknesses and look-alikes: further ways to take what a limit bounds."""

from __future__ import annotations

from fact_limits import MIB
from weakness import UNSEEN, Lookalike, load, put, weak

WEAKNESSES = (
    weak(
        "lim.memory_escape",
        "memory of sockets that is not charged",
        put("loads", "memory", "ways", "sockets", "held", to=80 * MIB),
        "sockets: held 83886080 bytes under a limit of 67108864",
    ),
    weak(
        "lim.memory_escape",
        "grandchildren in another cgroup",
        put("loads", "memory", "ways", "anonymous", "held", to=64 * MIB + 1),
        "anonymous: held 67108865",
    ),
    weak(
        "lim.pids",
        "threads that are not counted",
        put("loads", "pids", "ways", "threads", "held", to=64),
        "threads: held 64 under a limit of 64 tasks",
        verdict="ignored",
    ),
)
LOOKALIKES = (
    Lookalike("held up to the limit", "container", put("loads", "memory", "ways", "memfd", "held", to=64 * MIB)),
    Lookalike(
        "a way that was not tried",
        "container",
        put("loads", "memory", "ways", "pipes", to=dict(UNSEEN)),
        (("lim.memory_escape", "unknown"),),
    ),
    Lookalike(
        "an archive of before there were further ways",
        "container",
        load("memory", "ways", dict(UNSEEN)),
        (("lim.memory_escape", "unknown"),),
    ),
)
