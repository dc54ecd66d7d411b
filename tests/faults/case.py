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

WIDE = os.environ.get("PYTEST_ISOLATION_FAULTS") == "wide"
# marks a slow test of which another one is the kind: only the wide run has it
wide = pytest.mark.skipif(not WIDE, reason="only with PYTEST_ISOLATION_FAULTS=wide")


@dataclass(frozen=True)
class Case:
    """
    One case of the table.

    Args:
        phase: a key of PHASES.
        strike: a key of STRIKES.
        promise: what holds after it.
        xfail: "" or, for what is not mended yet, the point's number and the reason: "3: two interrupts".
        wide: whether only the wide table has it: it is slow, or another case is of its kind.
    """

    phase: str
    strike: str
    promise: Promise
    xfail: str = ""
    wide: bool = False

    def parameter(self) -> Any:
        """Return the case as a parameter of a test."""
        marks = [pytest.mark.xfail(reason=self.xfail, strict=True)] if self.xfail else []
        return pytest.param(self, id=f"{self.phase}-{self.strike}".replace(" ", "_"), marks=marks)


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


def chosen(cases: list[Case]) -> list[Any]:
    """Return the parameters of a run: all with PYTEST_ISOLATION_FAULTS=wide."""
    return [case.parameter() for case in cases if WIDE or not case.wide]
