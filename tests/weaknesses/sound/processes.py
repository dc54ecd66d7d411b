"""What a process inherits and may set for itself, and what its descriptors lead to: the same of every process."""

from __future__ import annotations

import copy
from typing import Any

VIEWS = ("host", "inside", "outside", "vmm", "exec", "peer_inside", "peer_outside")
NOT_SEEN = {"unobserved": "", "why": "only another view sees it"}
INHERITED = {
    "umask": 0o022,
    "oom_score_adj": 0,
    "rlimits": {name: {"soft": 1024, "hard": 1024} for name in ("nofile", "nproc")},
}


def complete(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Give every process the same umask, resource limits and securebits; nothing leads outside."""
    for view in VIEWS:
        facts = document[view]
        if not facts or "unobserved" in facts:
            continue
        outside = facts["view"] == "outside"
        facts["process"] |= copy.deepcopy(INHERITED)
        facts["process"] |= dict.fromkeys(("securebits", "dumpable"), NOT_SEEN if outside else 1)
        facts["process"]["leads"] = [] if outside else NOT_SEEN
        facts["left_out"] = 0 if outside else None
    return document
