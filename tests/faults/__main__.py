"""Prints the table of phases and strikes as Markdown: `PYTHONPATH=tests python -m faults [PHASE…]`.

A cell says whether what is promised holds; below the table stands what does not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from faults.case import Case, run_case
from faults.strikes import STRIKES
from faults.table import CASES

AT_ONCE = 4  # a case mostly waits


def _try(case: Case) -> list[str]:
    try:
        broken = run_case(case)
    except AssertionError as error:
        broken = [str(error)]
    print(f"{case.phase}, {case.strike}: {'; '.join(broken)[:2000] or 'holds'}", file=sys.stderr, flush=True)
    return broken


def main(names: Sequence[str]) -> int:
    """Try the cases of the phases that begin with a name, all without one; returns the number of those that break."""
    cases = [case for case in CASES if not names or case.phase.startswith(tuple(names))]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        broken = dict(zip(((case.phase, case.strike) for case in cases), threads.map(_try, cases), strict=True))
    print(f"| | {' | '.join(STRIKES)} |\n|---|{'---|' * len(STRIKES)}")
    for phase in dict.fromkeys(case.phase for case in cases):
        cells = [broken.get((phase, strike)) for strike in STRIKES]
        print(f"| {phase} | {' | '.join('' if one is None else 'broken' if one else 'holds' for one in cells)} |")
    print()
    for (phase, strike), lines in broken.items():
        if lines:
            print(f"- {phase}, {strike}: {'; '.join(line.splitlines()[0] for line in lines)}")
    return sum(map(bool, broken.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
