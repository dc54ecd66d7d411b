"""What the tests of whole sessions share: arguments, targets, and what a session leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import USER_NAMESPACES

ARGS = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:testinfra")
TARGETS = "self,unshare" if USER_NAMESPACES else "self"
COUNT = len(TARGETS.split(","))


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    """Run a session in a process of its own: threads, signals and the scale of deadlines are the process's."""
    return pytester.runpytest_subprocess(*ARGS, *args, timeout=900)


def usage_error(result: pytest.RunResult) -> str:
    """Return the one line of a usage error."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.strip()]
    assert line.startswith("ERROR: ")
    return line


def cells(report: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """Return verdict and judgement by check and target."""
    document: dict[str, Any] = json.loads((report / "results.json").read_text())
    return {(one["check"], one["target"]): (one["verdict"], one["judgement"]) for one in document["cells"]}


def nothing_left(home: Path) -> bool:
    """Whether no journal and no run's folder is there."""
    runs = home / "run"
    return not [path for path in runs.rglob("*") if path.name not in ("runs", "accelerator.json")]
