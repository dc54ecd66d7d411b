"""The cases that test_table.py tries: every phase with every strike, what is promised, and what is not mended yet.

The push runs NARROW: each kind of phase and each kind of strike at least once.  PYTEST_ISOLATION_FAULTS=wide runs all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from faults.case import Case
from faults.phases import PHASES, Phase
from faults.promise import Promise
from faults.strikes import STRIKES

# signals to the exit statuses that say so; a session that is interrupted exits as pytest does
STATUSES: dict[str, set[int]] = {
    "KILL": {-9},
    "INT": {2, 130},
    "INT INT": {2, 130},
    "INT INT INT": {2, 130},
    "Ctrl-C": {2, 130},
    "TERM": {143},
    "TERM INT": {2, 130, 143},
    "INT TERM": {2, 130, 143},
    "HUP": {129},
}
NARROW = {
    ("tests/unshare", "KILL"),
    ("tests/unshare", "INT"),
    ("load/unshare", "TERM"),
}
# Not mended yet: the number of the point, and what is seen.
XFAIL: dict[tuple[str, str], str] = {}


def promise(phase: Phase, strike: str) -> Promise | None:
    """Return what is promised after a strike at a phase; None if the two do not go together."""
    if strike not in STATUSES:
        in_sandbox = phase.name.partition("/")[0] in ("facts", "tests", "load")
        return Promise({0, 1, 4, 5}, seconds=90.0) if in_sandbox else None
    hangs = phase.name.startswith(("create/", "import/"))  # decision 23: the kernel does not end clients of runtimes
    found = Promise(STATUSES[strike], clean=strike not in ("KILL", "INT INT INT"), orphans=hangs)
    if phase.name.startswith("host close/"):  # all is written and told: the outcome stands
        return replace(found, statuses={0, *found.statuses}, results=True)
    return found


def _cases() -> Iterator[Case]:
    for phase in PHASES.values():
        for strike in STRIKES:
            found = promise(phase, strike)
            if found is not None:
                key = (phase.name, strike)
                yield Case(phase.name, strike, found, XFAIL.get(key, ""), wide=key not in NARROW)


CASES: list[Case] = list(_cases())
