"""In which order lanes run, and how long that takes: the quick ones first, then two at once, then those alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tiers.lanes import Lane

AT_ONCE = 2
SETUP = 90  # seconds until the first lane runs on a clean clone: packages, .venv, the wheel


@dataclass(frozen=True)
class Job:
    """Lanes that run one after the other: one lane, or all that need the same machine."""

    lanes: tuple[Lane, ...]

    @property
    def seconds(self) -> int:
        """The sum of its lanes' known times."""
        return sum(lane.seconds for lane in self.lanes)

    @property
    def machine(self) -> str:
        """The machine of lab.yaml that is up while it runs, or ""."""
        return self.lanes[0].machine


def phases(lanes: Iterable[Lane]) -> tuple[list[Job], list[Job], list[Job]]:
    """Return the quick jobs, those that run two at once, the longest first, and those that run alone."""
    chosen = list(lanes)
    quick = [Job((lane,)) for lane in chosen if lane.tier == "quick"]
    alone = [Job((lane,)) for lane in chosen if lane.alone]
    rest = [lane for lane in chosen if lane.tier != "quick" and not lane.alone]
    jobs = [Job((lane,)) for lane in rest if not lane.machine]
    for machine in dict.fromkeys(lane.machine for lane in rest if lane.machine):
        # a destructive test rolls the machine back, so that its lanes cannot run beside each other
        jobs.append(Job(tuple(lane for lane in rest if lane.machine == machine)))
    return _longest_first(quick), _longest_first(jobs), alone


def estimate(lanes: Iterable[Lane]) -> int:
    """Return how many seconds a run of these lanes takes, by their known times."""
    quick, beside, alone = phases(lanes)
    return SETUP + _makespan(quick) + _makespan(beside) + sum(job.seconds for job in alone)


def _makespan(jobs: list[Job]) -> int:
    busy = [0] * AT_ONCE
    for job in jobs:
        first = busy.index(min(busy))
        busy[first] += job.seconds
    return max(busy)


def _longest_first(jobs: list[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: -job.seconds)
