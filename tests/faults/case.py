"""A case: a program at a moment, what is done to it there, and what must hold after it."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Any

import pytest

from faults.home import Home
from faults.phases import PHASES
from faults.promise import Promise
from faults.strikes import STRIKES
from faults.world import World
from provisioner.connection.local import find_program

# marks a test or a parameter that is slow, or that another one stands for: `faults-wide` and `faults-table` run it
wide = pytest.mark.skipif(
    os.environ.get("PYTEST_ISOLATION_FAULTS") != "wide",
    reason="another test stands for it; PYTEST_ISOLATION_FAULTS=wide runs it too",
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, runtimes and files of other users: run as root")


def needs(program: str) -> pytest.MarkDecorator:
    """Return the mark of a test for which a program must be installed."""
    return pytest.mark.skipif(find_program(program) is None, reason=f"needs {program}: install it")


@dataclass(frozen=True)
class Case:
    """
    One case of the table.

    Args:
        phase: a key of PHASES.
        strike: a key of STRIKES.
        promise: what holds after it.
        wide: whether only the wide table has it: it is slow, or another case is of its kind.
    """

    phase: str
    strike: str
    promise: Promise
    wide: bool = False

    def parameter(self) -> Any:
        """Return the case as a parameter of a test."""
        name = f"{self.phase}-{self.strike}".replace(" ", "_")
        return pytest.param(self, id=name, marks=[needs(PHASES[self.phase].needs), *([wide] if self.wide else [])])


def run_case(case: Case) -> list[str]:
    """Try a case in a home of its own; returns what does not hold."""
    phase, strike = PHASES[case.phase], STRIKES[case.strike]
    home = Home(phase.built)
    try:
        phase.prepare(home)
        before = World.now(home)
        with home.start(phase.argv(), dict(phase.env)) as program:
            program.await_(lambda: phase.is_now(home, program), phase.name)
            if phase.sharp:
                program.process.send_signal(signal.SIGSTOP)
            strike(home, program)
            if phase.sharp:
                program.process.send_signal(signal.SIGCONT)
            try:
                program.finish(case.promise.seconds)
            except AssertionError as error:
                return [str(error)]
            return case.promise.broken(home, program, before)
    finally:
        home.close()
