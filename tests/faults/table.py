"""The cases that test_table.py tries: every phase with every strike, what is promised, and what is not mended yet.

A push runs NARROW: each kind of phase and each kind of strike at least once.  PYTEST_ISOLATION_FAULTS=wide runs all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from faults.case import Case
from faults.phases import PHASES, Phase
from faults.promise import Promise
from faults.running import SESSION
from faults.strikes import STRIKES

# Signals to the exit statuses that say so.  A session that is interrupted exits as pytest does.  A second signal that
# comes while the interpreter ends kills what has nothing left to do.
STATUSES: dict[str, set[int]] = {
    "KILL": {-9},
    "INT": {2, 130},
    "INT INT": {2, 130, -2},
    "INT INT INT": set(),  # FORCED
    "Ctrl-C": {2, 130},
    "TERM": {143},
    "TERM INT": {2, 130, 143, -2},
    "INT TERM": {2, 130, 143, -15},
    "HUP": {129},
}
# On runtimes whose sessions take long, the strikes that differ in kind.
FEW = ("KILL", "INT", "INT INT", "TERM INT", "HUP", "probe killed")
SLOW = ("podman", "qemu", "runc")
NARROW = {
    ("prune", "INT"),
    ("build", "INT"),
    ("build", "TERM INT"),
    ("create/unshare", "INT INT"),
    ("create/unshare", "HUP"),
    ("facts/unshare", "TERM"),
    ("tests/unshare", "KILL"),
    ("tests/unshare", "INT INT INT"),
    ("tests/unshare", "probe killed"),
    ("load/unshare", "TERM INT"),
    ("load/unshare", "host's probe killed"),
    ("teardown/unshare", "INT INT"),
    ("report/unshare", "KILL"),
    ("report/unshare", "INT"),
    ("host close/unshare", "TERM"),
    ("teardown/runc", "INT"),
    ("import/podman", "KILL"),
    ("provisioner prune", "INT"),
    ("provisioner build", "KILL"),
    ("provisioner build", "INT INT"),
}
# At these phases a client of a runtime, or a child of a compiler, hangs; at facts the client waits for the probe, which
# is stopped and does not see the end of its input.  The kernel does not end them with a killed program: decision 23.
HANGS = (
    *("build", "facts/podman", "facts/runc", "create/", "import/", "forget/"),
    *("provisioner build", "provisioner doctor", "daemon start"),
)
# The third Ctrl-C ends the program at once, and it says what a prune will find.
FORCED = Promise({-2, 2, 130}, seconds=5.0, clean=False, orphans=True)


def promise(phase: Phase, strike: str) -> Promise | None:
    """Return what is promised after a strike at a phase; None if the two do not go together."""
    if strike not in STATUSES:
        in_sandbox = phase.name.partition("/")[0] in ("facts", "tests", "load")
        return Promise({0, 1, 4, 5}, seconds=SESSION) if in_sandbox else None
    if (phase.name, strike) == ("daemon", "KILL"):
        return None  # the user's own command goes on, and so does the daemon until a prune
    found = FORCED if strike == "INT INT INT" else Promise(STATUSES[strike], clean=strike != "KILL")
    if phase.name.startswith(HANGS):
        found = replace(found, orphans=True)
    if phase.name.startswith("host close/"):  # all is written and told: the outcome stands
        return replace(found, statuses={0, *found.statuses}, results=True)
    return found


def _cases() -> Iterator[Case]:
    for phase in PHASES.values():
        for strike in STRIKES:
            found = promise(phase, strike)
            if found is not None and (strike in FEW or not phase.name.endswith(SLOW)):
                yield Case(phase.name, strike, found, wide=(phase.name, strike) not in NARROW)


CASES: list[Case] = list(_cases())
