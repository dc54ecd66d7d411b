"""Synthetic weaknesses and look-alikes: further ways to take what a limit bounds."""

from __future__ import annotations

from fact_limits import MIB
from fact_parts import Dict
from weakness import UNSEEN, Edit, Lookalike, load, put, weak

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


def own_limit(amount: int) -> Edit:
    """Return the edit that makes the target a user's own command line with a memory limit, pushed in one way only."""

    def edit(document: Dict) -> None:
        document["target"]["command"] = "docker run me/app"
        document["outside"]["limits"]["memory"]["limit"] = amount
        memory = document["loads"]["memory"]
        memory |= {
            "limit": float(amount),
            "steps_mib": amount // MIB - 2,
            "inside": float(amount),
            "ways": {"unobserved": "", "why": "pushed in one way only"},
        }
        memory["shown"]["memory"]["limit"] = memory["after"]["memory"]["peak"] = amount

    return edit


LOOKALIKES = (
    Lookalike(
        "a larger limit of a user's own",
        "container",
        own_limit(512 * MIB),
        # of a user's own command line the network is not known to be none
        (("lim.memory_escape", "not_applicable"), ("net.own_interfaces", "not_applicable")),
    ),
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
