"""How much all facts of a container cost, against the container alone: a goal of at most 100 ms more.

    provisioner daemon docker -- python bench/facts.py [ROUNDS] [docker | podman+runc]

The floor is the runtime's own command as anybody types it, `docker run --rm IMAGE /probe …`, of a program that ends at
once.  The same container's facts are then asked for: all that the checks read of both sides, the outside view with its
filters.  What the runtime's own exec sees is a process more, which the runtime starts: it stands in a row of its own.

Every round runs each contestant once, in an order of its own; a figure is the median over rounds of the contestant's
time beside the floor's in the same round, with the 95 % interval that 2,000 resamples of the rounds give.  "again" is
the A/A pair: what its interval reaches off 0 is what this machine cannot measure now.  The goal is met when the worse
end of the interval meets it, and missed when the better end does not; where it lies between, nothing is decided.
Each contestant ends with its container gone.
"""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from provisioner.connection.local import Stream
from provisioner.hosts.host import Host
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec
from pytest_isolation.observe.hosts import Hosts
from pytest_isolation.options import LOCAL

FLOOR = "the runtime's own command"
FACTS = "ours, all facts of both sides"
GOAL = 100  # ms
RESAMPLES = 2000
WARM_UP = 2
Parts = dict[str, list[float]]


class Noting(Sandbox):
    """A sandbox that remembers how it was started."""

    argv: list[str]

    def _start(self) -> Stream:
        start = self.host.start

        def noted(argv: list[str], env: Mapping[str, str] | None, cwd: Path) -> Stream:
            self.argv = argv
            return start(argv, env, cwd)

        self.host.start = noted  # type: ignore[method-assign]
        try:
            return super()._start()
        finally:
            del self.host.start  # type: ignore[method-assign]


def plain(argv: list[str]) -> None:
    """Its input ends at once, and with it the probe and the container."""
    subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60)


def ours(host: Host, runtime: Runtime, parts: Parts, *looks: str) -> None:
    """Make it, look at it as often as `looks` says, end it."""
    started = time.perf_counter()
    with Sandbox(host, runtime, Spec()) as sandbox:
        parts["it answers"].append(time.perf_counter() - started)
        for name in looks:
            before = time.perf_counter()
            assert getattr(sandbox, name)() is not None
            parts[name].append(time.perf_counter() - before)
        before = time.perf_counter()
    parts["its end"].append(time.perf_counter() - before)


def measure(contestants: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + WARM_UP):
        for name in random.sample(sorted(contestants), len(contestants)):
            started = time.perf_counter()
            contestants[name]()
            if turn >= WARM_UP:
                times[name].append(time.perf_counter() - started)
    return times


def interval(seconds: list[float]) -> tuple[float, float, float]:
    """Return the median in ms, between the ends of its 95 % interval by the bootstrap."""
    medians = sorted(statistics.median(random.choices(seconds, k=len(seconds))) for _ in range(RESAMPLES))
    low, high = medians[RESAMPLES // 40], medians[-RESAMPLES // 40]
    return 1000 * low, 1000 * statistics.median(seconds), 1000 * high


def show(times: Mapping[str, list[float]], parts: Parts) -> None:
    print(f"{'':42}{'ms':>7}   more than the floor, ms (95 %)      times it")
    for name, mine in times.items():
        low, middle, high = interval([one - floor for one, floor in zip(mine, times[FLOOR], strict=True)])
        ratio = statistics.median(one / floor for one, floor in zip(mine, times[FLOOR], strict=True))
        spread = f"{middle:+.1f}  ({low:+.1f} to {high:+.1f})"
        print(f"{name:42}{1000 * statistics.median(mine):7.1f}   {spread:35}{ratio:8.2f}")
    print("\nOf these, in ms:")
    for name, seconds in parts.items():
        print(f"  {name:40}{1000 * statistics.median(seconds):7.1f}")


def say(times: Mapping[str, list[float]]) -> None:
    low, middle, high = interval([one - floor for one, floor in zip(times[FACTS], times[FLOOR], strict=True)])
    word = "met" if high <= GOAL else "missed" if low > GOAL else "not decided, the machine is too busy"
    print(f"\nall facts: {middle:+.1f} ms, the goal is +{GOAL} ms: {word}")


def main() -> None:
    rounds = max(2, int(sys.argv[1])) if len(sys.argv) > 1 else 30
    runtime = load_runtime(sys.argv[2] if len(sys.argv) > 2 else "docker")
    assert runtime.image == "archive", f"{runtime.name} has no command that runs an image: name an engine"
    with contextlib.closing(Hosts()) as hosts:
        host = hosts.host(LOCAL)
        with Noting(host, runtime, Spec()) as first:
            argv = first.argv
            sizes = [len(facts.model_dump_json()) for facts in (first.inside(), first.outside()) if facts]
        print(f"{' '.join(argv)}\nload {os.getloadavg()[0]:.1f}; documents of {' and '.join(map(str, sizes))} bytes\n")
        parts: Parts = defaultdict(list)
        contestants: dict[str, Callable[[], None]] = {
            FLOOR: lambda: plain(argv),
            "the runtime's own command, again (A/A)": lambda: plain(argv),
            "ours, nothing asked": lambda: ours(host, runtime, defaultdict(list)),
            FACTS: lambda: ours(host, runtime, parts, "inside", "outside"),
            "ours, and the runtime's exec": lambda: ours(
                host, runtime, defaultdict(list), "inside", "outside", "exec_facts"
            ),
        }
        times = measure(contestants, rounds)
    show(times, parts)
    say(times)


if __name__ == "__main__":
    main()
