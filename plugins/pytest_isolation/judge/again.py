"""Reads the results of a run again, from its report or from its archived records.

In: paths.  Out: `Results`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_isolation.judge.judge import judge_files
from pytest_isolation.policy.archived import NAME
from pytest_isolation.policy.policy import Policy
from pytest_isolation.results.merge import merge
from pytest_isolation.results.model import RESULTS, Results, load_results


def results_from(paths: Sequence[Path]) -> Results:
    """
    Return the results of reports and of archived records, which are judged as documented.

    Args:
        paths: folders of reports, files named results.json, and records.

    Raises:
        IsolationError: one of them cannot be read.
    """
    found = [load_results(path) for path in paths if _is_report(path)]
    records = [path for path in paths if not _is_report(path) and path.name != NAME]
    if records or not found:
        found.append(judge_files(records, Policy())[0])
    results = found[0]
    for other in found[1:]:
        results = merge(results, other)
    return results


def _is_report(path: Path) -> bool:
    return path.is_dir() or path.name == RESULTS
