"""How long gathering a container's facts takes now, against an earlier commit: a goal of at most 1.2 times.

    provisioner daemon docker -- python bench/facts_against.py COMMIT [ROUNDS] [RUNTIME]

The commit is checked out beside this one.  One process for each version keeps its host and one sandbox at a time: every
round each makes a sandbox, takes the views that a run takes of it, and ends it, the two in an order that is drawn anew.
A figure is the median over rounds; the ratio is the median of the rounds' ratios with the 95 % interval that 2,000
resamples give.  Two processes of this version (A/A) show what the machine cannot measure now.  A busy machine is better
measured by the processor time that the sandbox's cgroup takes for one more inside view: waiting is no part of it.

Seen on 2026-11-30 on two quiet cores, against 001d95c, medians of milliseconds and of ratios with their interval:
runc, 60 rounds: both views 26.6 before, 31.8 now, 1.16 times (1.11 to 1.23); 80 rounds: 25.5 and 30.1, 1.21 (1.18 to
1.23); the sandbox answers after 48 before and 30 now, so that start and views together take 0.82 times.
docker, 40 rounds: both views 34.5 and 39.4, 1.07 times (1.02 to 1.18).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOAL = 1.2
RESAMPLES = 2000
WARM_UP = 3
NOW, BEFORE, AGAIN = "now", "before", "now, again (A/A)"
VIEWS = ("the sandbox answers", "outside", "inside", "both views", "exec", "CPU of the inside view", "bytes")

# runs in either version: only what both have
WORKER = """
import contextlib, json, sys, time
from provisioner.runtimes.load import load_runtime
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec
from pytest_isolation.observe.hosts import Hosts
from pytest_isolation.options import LOCAL

import inspect, provisioner
own = "own" in inspect.signature(Sandbox.inside).parameters
with contextlib.closing(Hosts()) as hosts:
    host, runtime = hosts.host(LOCAL), load_runtime(sys.argv[1])
    print(provisioner.__path__[0], flush=True)
    for _ in sys.stdin:
        clock = [time.perf_counter()]
        with Sandbox(host, runtime, Spec()) as sandbox:
            clock.append(time.perf_counter())
            outside = sandbox.outside()
            clock.append(time.perf_counter())
            inside = sandbox.inside(None, outside) if own else sandbox.inside()
            clock.append(time.perf_counter())
            if runtime.exec is not None:
                sandbox.exec_facts()
            clock.append(time.perf_counter())
            used = [sandbox.outside().limits.cpu.usage_us]
            sandbox.inside(None, outside) if own else sandbox.inside()
            used.append(sandbox.outside().limits.cpu.usage_us)
        steps = [after - before for before, after in zip(clock, clock[1:])]
        size = sum(len(one.model_dump_json()) for one in (inside, outside) if one is not None)
        print(json.dumps([*steps[:3], steps[1] + steps[2], steps[3], (used[1] - used[0]) / 1e6, size]), flush=True)
"""


class Version:
    """
    A process that observes sandboxes with the code of one folder.

    Args:
        folder: the checked-out repository.
        runtime: the runtime's name.
    """

    def __init__(self, folder: Path, runtime: str) -> None:
        path = os.pathsep.join((str(folder), str(folder / "plugins")))
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, runtime],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == str(folder / "provisioner"), "it imports another version"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def round(self) -> list[float]:
        """Make and observe one sandbox; return the figures in the order of `VIEWS`."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        figures: list[float] = json.loads(self._line())
        return figures

    def close(self) -> None:
        """End it with its host."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(120)


@contextlib.contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Check a commit out into a folder of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve() / "repository"
        subprocess.run(["git", "-C", str(ROOT), "worktree", "add", "-q", "--detach", str(folder), commit], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(folder)], check=True)


def measure(versions: dict[str, Version], rounds: int) -> dict[str, list[list[float]]]:
    """Return the figures of each version's rounds."""
    found: dict[str, list[list[float]]] = {name: [] for name in versions}
    for turn in range(rounds + WARM_UP):
        for name in random.sample(sorted(versions), len(versions)):
            figures = versions[name].round()
            if turn >= WARM_UP:
                found[name].append(figures)
    return found


def interval(ratios: list[float]) -> tuple[float, float, float]:
    """Return the median between the ends of its 95 % interval by the bootstrap."""
    medians = sorted(statistics.median(random.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return medians[RESAMPLES // 40], statistics.median(ratios), medians[-RESAMPLES // 40]


def show(found: dict[str, list[list[float]]]) -> None:
    """Print a line for each figure, and whether the goal is met."""
    print(f"{'':24}{'before':>10}{'now':>10}   ratio (95 %)            A/A")
    for index, name in enumerate(VIEWS):
        before, now, again = ([one[index] for one in found[version]] for version in (BEFORE, NOW, AGAIN))
        if not any(before):
            continue
        low, middle, high = interval([mine / other for mine, other in zip(now, before, strict=True)])
        same = statistics.median(mine / other for mine, other in zip(again, now, strict=True))
        scale, unit = (1, " B") if name == "bytes" else (1000, " ms")
        figures = "".join(f"{scale * statistics.median(one):7.1f}{unit:3}" for one in (before, now))
        print(f"{name:24}{figures}   {middle:.2f} ({low:.2f} to {high:.2f})   {same:11.2f}")
        if name == "both views":
            word = "met" if high <= GOAL else "missed" if low > GOAL else "not decided, the machine is too busy"
            print(f"{'':24}the goal is {GOAL}: {word}")


def main() -> None:
    commit, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 30
    runtime = sys.argv[3] if len(sys.argv) > 3 else "docker"
    print(f"{runtime}, {rounds} rounds, against {commit}; load {os.getloadavg()[0]:.1f}\n", flush=True)
    with checked_out(commit) as folder, contextlib.ExitStack() as stack:
        versions = {}
        for name, place in ((BEFORE, folder), (NOW, ROOT), (AGAIN, ROOT)):
            versions[name] = Version(place, runtime)
            stack.callback(versions[name].close)
        show(measure(versions, rounds))


if __name__ == "__main__":
    main()
