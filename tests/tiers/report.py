"""What a run says at its end: the table of times, what is flaky, what failed, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tiers.lanes import Lane

State = Literal["passed", "flaky", "failed", "not run"]
NAMES = re.compile(r"^(FAILED|ERROR|provisioner: | *--> )|: exit (status )?[1-9]|: error: ")
WIDTH = 300
MOST_NAMES, MOST_REASONS, LAST = 30, 40, 8


@dataclass(frozen=True)
class Result:
    """
    How a lane ended.

    Attributes:
        state: `flaky` is what failed and passed when it was run once more, alone.
        seconds: the time of all its runs.
        logs: the output of each run that failed.
    """

    lane: Lane
    state: State
    seconds: float = 0.0
    logs: tuple[Path, ...] = ()


def table(results: Iterable[Result]) -> str:
    """Return the times, beside those that are known from before."""
    rows = [f"{'lane':<22}{'result':<10}{'seconds':>8}{'known':>8}"]
    for one in results:
        seconds = f"{one.seconds:.0f}" if one.state != "not run" else "-"
        rows.append(f"{one.lane.name:<22}{one.state:<10}{seconds:>8}{one.lane.seconds:>8}")
    return "\n".join(rows)


def reasons(output: str) -> str:
    """Return the lines that say what failed: the names of tests, then the first reasons; else the last lines."""
    lines = [line[:WIDTH] for line in output.splitlines()]
    names = [line for line in lines if NAMES.search(line) and not line.startswith("E  ")]
    told = [line for line in lines if line.startswith("E  ")]
    return "\n".join([*names[-MOST_NAMES:], *told[:MOST_REASONS]] if told or len(names) > 1 else lines[-LAST:])


def why(results: Iterable[Result], state: State) -> str:
    """Return, for each lane that ended so, its logs and what they give as reasons."""
    parts = []
    for one in results:
        if one.state == state:
            for log in one.logs[:1] if state == "flaky" else one.logs[-1:]:
                parts.append(f"{state}: {one.lane.name}: {log}\n{reasons(log.read_text(errors='replace'))}")
    return "\n\n".join(parts)


def exit_status(results: Iterable[Result], strict: bool, changed: Sequence[str] = ()) -> int:
    """
    Return 0 if all passed and this machine is as it was.

    Args:
        results: how the lanes ended.
        strict: whether a flaky lane counts as failed.
        changed: what the lanes left in another state.
    """
    bad = ("failed", "not run", "flaky") if strict else ("failed", "not run")
    return int(bool(changed) or any(one.state in bad for one in results))
