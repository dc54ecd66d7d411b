"""Draws configurations, makes each, and compares every check's verdict with the predicted one.

In: a `Subject` of one column.  Out: a `Tally`.
PYTEST_ISOLATION_GENERATED=10000 sets the number of configurations; PYTEST_ISOLATION_SEED=N sets the first seed.
PYTEST_ISOLATION_GENERATED_KEEP=DIR keeps the tally of each block of seeds; a block that is there is not run again.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from predict.rules import HOSTS

from pytest_isolation.differential.draw import Drawn, shrink
from pytest_isolation.differential.run import Outcome, side_by_side

FIRST = int(os.environ.get("PYTEST_ISOLATION_SEED", "1"))
KEEP = os.environ.get("PYTEST_ISOLATION_GENERATED_KEEP", "")
BLOCK = 250  # seeds
ENOUGH = 5_000  # configurations in which each check must have been seen both ways often
OFTEN = 50
SANDBOX = "the sandbox"  # stands for a check: it is made, or refused by the runtime
MADE, REFUSED = "made", "refused"


def count_of(few: int, divisor: int = 1) -> int:
    """
    Return how many configurations to draw.

    Args:
        few: their number unless the environment sets one.
        divisor: of the environment's number, where a configuration takes longer.
    """
    asked = os.environ.get("PYTEST_ISOLATION_GENERATED", "")
    return max(1, int(asked) // divisor) if asked else few


@dataclass(frozen=True)
class Subject:
    """
    One column.

    Attributes:
        column: the target's id.
        draw: draws the configuration of a seed.
        make: makes its sandbox and judges it.
        predict: returns the verdict that each check must give, and whether the SANDBOX is MADE or REFUSED.
        keep: writes what reproduces a configuration to a folder, under a name; returns where.
    """

    column: str
    draw: Callable[[int], Drawn]
    make: Callable[[Drawn], Outcome]
    predict: Callable[[Drawn, Outcome], Mapping[str, str]]
    keep: Callable[[Drawn, Outcome, Path, str], str]

    def wrong(self, drawn: Drawn, outcome: Outcome) -> dict[str, str]:
        """Return what was predicted of each check that says otherwise."""
        wanted, seen = self.predict(drawn, outcome), verdicts_of(outcome)
        if (predicted := wanted.get(SANDBOX, MADE)) != seen[SANDBOX]:
            return {SANDBOX: predicted}
        return {
            check: wanted.get(check, MADE)
            for check in sorted(seen)
            if wanted.get(check, MADE) not in (seen[check], HOSTS)
        }


@dataclass
class Tally:
    """What was seen in some configurations: verdicts and disagreements, by check."""

    count: int = 0
    ways: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: dict[str, list[int]] = field(default_factory=dict)  # seeds
    texts: dict[str, str] = field(default_factory=dict)  # of the first disagreement

    def add(self, other: Tally) -> None:
        """Add what was seen in further configurations."""
        self.count += other.count
        self.ways += other.ways
        for check, seeds in other.wrong.items():
            self.wrong.setdefault(check, []).extend(seeds)
        self.texts = {**other.texts, **self.texts}

    def summary(self) -> str:
        """Return one line."""
        wrong = {check: len(seeds) for check, seeds in self.wrong.items()}
        return f"{self.count} configurations, {sum(wrong.values())} disagreements: {wrong}"

    def table(self, checks: Iterable[str]) -> str:
        """Return a line for each check: how often it gave which verdict."""
        seen = {check: [f"{verdict} {self.ways[one, verdict]}" for one, verdict in self.ways if one == check]
                for check in checks}  # fmt: skip
        return "\n".join(f"    {check}: {', '.join(sorted(verdicts))}" for check, verdicts in seen.items())

    def one_sided(self, checks: Iterable[str]) -> list[str]:
        """Return the checks that did not give two verdicts often."""
        often = Counter(check for (check, _), count in self.ways.items() if count >= OFTEN)
        return [check for check in checks if often[check] < 2]

    def to_json(self) -> str:
        ways = [[check, verdict, count] for (check, verdict), count in self.ways.items()]
        return json.dumps({"count": self.count, "ways": ways, "wrong": self.wrong, "texts": self.texts}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Tally:
        kept = json.loads(text)
        ways = Counter({(check, verdict): count for check, verdict, count in kept["ways"]})
        return cls(kept["count"], ways, kept["wrong"], kept["texts"])


def verdicts_of(outcome: Outcome) -> dict[str, str]:
    """Return the verdicts without their reasons."""
    verdicts = {check: verdict for check, (verdict, _) in outcome.verdicts.items()}
    return {SANDBOX: REFUSED if outcome.refused else MADE, **verdicts}


def compare(subject: Subject, count: int, folder: Path, block: int = BLOCK) -> Tally:
    """
    Run the configurations of a column, block by block.

    Args:
        subject: the column.
        count: the number of configurations.
        folder: for what reproduces the disagreements.
        block: the number of seeds in a block.
    """
    total = Tally()
    for first in range(FIRST, FIRST + count, block):
        seeds = range(first, min(first + block, FIRST + count))
        kept = Path(KEEP) / f"{subject.column.replace('/', '-')}-{seeds.start}-{len(seeds)}.json" if KEEP else None
        if kept is not None and kept.exists():
            total.add(Tally.from_json(kept.read_text()))
            continue
        seen = _run_block(subject, seeds, folder, total)
        total.add(seen)
        if kept is not None:
            kept.write_text(seen.to_json())
        print(f"{subject.column}: {total.summary()}", flush=True)
    return total


def _run_block(subject: Subject, seeds: range, folder: Path, before: Tally) -> Tally:
    block = Tally()
    for drawn, outcome in side_by_side(subject.make, map(subject.draw, seeds)):
        block.count += 1
        block.ways.update(verdicts_of(outcome).items())
        for check, wanted in subject.wrong(drawn, outcome).items():
            block.wrong.setdefault(check, []).append(drawn.seed)
            if check not in block.texts and check not in before.texts:  # one of a kind: it takes dozens of sandboxes
                block.texts[check] = _explain(subject, drawn, outcome, check, wanted, folder)
                print(f"{subject.column}: {block.texts[check]}", flush=True)
    return block


def _explain(subject: Subject, drawn: Drawn, outcome: Outcome, check: str, wanted: str, folder: Path) -> str:
    """Return the disagreement, with the smallest configuration that shows it."""

    def still(smaller: Drawn) -> bool:
        again = subject.make(smaller)
        return check in subject.wrong(smaller, again) and bool(again.refused) == (check == SANDBOX)

    verdict, reason = outcome.verdicts.get(check, (REFUSED if outcome.refused else MADE, outcome.refused))
    said = f"{check} says {verdict} ({reason}), predicted was {wanted}"
    if not still(drawn):
        return f"{said}, once and not again; drawn: {drawn}"
    smallest = shrink(drawn, still)
    where = subject.keep(smallest, subject.make(smallest), folder, check)
    return f"{said}; {smallest} (drawn: {drawn})\n    {where}"
