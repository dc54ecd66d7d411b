"""How long a thousand verdicts take from archived facts: a goal of under a second.

    python bench/judging.py [ROUNDS] [DIR/facts/*.json]

The facts are those of a `pytest --isolation-report=DIR`; without any, a session over `self` and `unshare` makes them.
They are read again and again until there are records for a thousand verdicts and more.  Judged in this process, and as
`isolation judge` over as many files, whose start-up stands beside it: `isolation checks` imports as much and judges
nothing.  Sizes grow fourfold, so that what grows faster than its input shows.

Every round runs each contestant once, in an order of its own; figures are medians with their quartiles.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pytest_isolation.judge.judge import judge_check, judge_files, suite_checks
from pytest_isolation.policy.policy import Policy
from pytest_isolation.records.read import load_record
from pytest_isolation.records.record import Record
from pytest_isolation.records.view import judge_fixtures
from pytest_isolation.session.state import make_policy

VERDICTS = 1000
GOAL = 1.0
COMMAND = [sys.executable, "-m", "pytest_isolation"]


def observe(folder: Path) -> list[Path]:
    """Run the suite where no privileges are needed; returns the archived records."""
    argv = [*(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--isolation=container")]
    argv += ["--isolation-runtime=self,unshare", f"--isolation-report={folder}"]
    done = subprocess.run(argv, cwd=folder, stdout=subprocess.DEVNULL, timeout=300)
    assert done.returncode in (0, 1)  # 1: there is a finding, which is judged like all else
    return sorted((folder / "facts").iterdir())


def judge(records: list[Record], policy: Policy) -> int:
    """Return how many verdicts there are, each with its judgement and its evidence."""
    functions = suite_checks()
    return sum(
        1
        for record in records
        for fixtures in [judge_fixtures(record)]
        for function in functions
        if judge_check(function, record, fixtures, policy)
    )


def command(*args: str | Path) -> None:
    done = subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stderr  # 1: there is a finding


def measure(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):  # the first warms up
        for name in random.sample(sorted(contestants), len(contestants)):
            started = time.perf_counter()
            contestants[name]()
            if turn:
                times[name].append(time.perf_counter() - started)
    return times


def main() -> None:
    rounds = max(2, int(sys.argv[1])) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory(prefix="isolation-bench-") as folder:
        files = [Path(name) for name in sys.argv[2:]] or observe(Path(folder))
        checks = len(suite_checks())
        while len(files) * checks < VERDICTS:
            files += files
        files = files[: -(-VERDICTS // checks)]
        policy = make_policy("", None)
        records = [load_record(path) for path in files]
        verdicts = judge(records, policy)
        contestants: dict[str, Callable[[], object]] = {
            "judged": lambda: judge(records, policy),
            "judged, again (A/A)": lambda: judge(records, policy),
            "read, judged and gathered as results": lambda: judge_files(files, policy),
            "four times as many, judged": lambda: judge(records * 4, policy),
            "isolation judge, a process": lambda: command("judge", *files),
            "isolation checks, a process": lambda: command("checks"),
        }
        size = sum(path.stat().st_size for path in files)
        print(f"{verdicts} verdicts, {len(files)} records of {size} bytes; load {os.getloadavg()[0]:.1f}\n")
        times = measure(contestants, rounds)
    print(f"{'':40}{'ms':>8}   (quartiles), {rounds} rounds")
    for name, mine in times.items():
        low, middle, high = (1000 * seconds for seconds in statistics.quantiles(mine, n=4))
        print(f"{name:40}{middle:8.0f}   ({low:.0f} to {high:.0f})")
    thousand = statistics.median(times["read, judged and gathered as results"]) * VERDICTS / verdicts
    growth = statistics.median(
        four / one for four, one in zip(times["four times as many, judged"], times["judged"], strict=True)
    )
    print(f"\na thousand verdicts, read and gathered: {thousand:.2f} s, the goal is {GOAL:.0f} s: ", end="")
    print("met" if thousand <= GOAL else "missed")
    print(f"four times as many take {growth:.2f} times as long")


if __name__ == "__main__":
    main()
