"""The cases that test_table.py tries."""

from __future__ import annotations

from faults.case import Case
from faults.promise import Promise

INTERRUPTED, TERMINATED, KILLED = Promise({2, 130}), Promise({143}), Promise({-9}, clean=False)

CASES: list[Case] = [
    Case("tests/unshare", "KILL", KILLED),
    Case("tests/unshare", "INT", INTERRUPTED),
    Case("load/unshare", "TERM", TERMINATED),
]
