"""Writes isolation.yaml for `isolation init`: the targets by name, and today's state as the accepted one.

In: a report of a run, or the arguments of a pytest run that is made first.
Out: the file, and lines that say what is in it.  Text of the user that the file has already stays as it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.files.atomic import write_whole
from provisioner.files.maker import temporary_folder
from pytest_isolation.escape import escape
from pytest_isolation.policy.isolation_file import IsolationFile, load_isolation_file
from pytest_isolation.policy.verdict import Verdict
from pytest_isolation.records.read import load_record
from pytest_isolation.records.record import TargetInfo
from pytest_isolation.results.model import Cell, load_results
from pytest_isolation.targets.named import RUN

SOUND = (Verdict.HOLDS, Verdict.NOT_APPLICABLE)
JUDGED = (0, 1)  # pytest's exit status without and with findings
HEAD = (
    "# Written by `isolation init`.  The next run tells what was lost or gained since.",
    "# Fill in each `reason:`, or mend the wall and delete the line.",
)


def observe_state(args: Sequence[str], output: Path) -> list[str]:
    """
    Run the bundled suite, and write what it observed.

    Args:
        args: pytest's arguments; without any, all installed container runtimes.
        output: the file to write.

    Raises:
        IsolationError: the run ended early, or the file has an accepted state already.
    """
    _read(output)  # a file that is in the way is told before the run
    with temporary_folder(Path(tempfile.gettempdir())) as folder:
        report = folder / "report"
        argv = [sys.executable, "-m", "pytest", *(args or ["--isolation=container"]), f"--isolation-report={report}"]
        status = subprocess.run(argv, check=False).returncode
        if status not in JUDGED:
            raise IsolationError(f"cannot write '{output}': pytest ended with exit status {status}")
        return write_state(report, output)


def write_state(report: Path, output: Path) -> list[str]:
    """
    Write the targets and the state of a report; return lines that say what was written.

    Args:
        report: the folder of the report.
        output: the file; one that exists must have no accepted state, and keeps its text.

    Raises:
        IsolationError: the report or the file cannot be read, or the file is in the way.
    """
    before = _read(output)
    results = load_results(report)
    targets = [load_record(path).target for path in sorted((report / "facts").glob("*.json"))]
    named = [one for one in targets if one.command and one.id.startswith(f"{RUN}:")]
    new = [one for one in named if one.id.removeprefix(f"{RUN}:") not in before.targets]
    if new and before.targets:
        name = new[0].id.removeprefix(f"{RUN}:")
        raise IsolationError(f"cannot add to '{output}': its `targets` do not have '{name}'", "add it there")
    state = _state_of(results.cells)
    lines = [*HEAD, *(_target_lines(new) if new else ()), *_accepted_lines([one.id for one in targets], state)]
    old = output.read_text("utf-8").rstrip("\n") + "\n\n" if output.exists() else ""
    write_whole(output, (old + "\n".join(lines) + "\n").encode())
    load_isolation_file(output)
    told = [
        f"{output}: {escape(one.id)}: {len(state[one.id])} checks that do not hold are accepted, each without a reason"
        for one in sorted(targets, key=lambda one: one.id)
    ]
    return [*told, "Next: fill in the reasons, and run pytest --isolation=container."]


def _read(output: Path) -> IsolationFile:
    if not output.exists():
        return IsolationFile()
    before = load_isolation_file(output)
    if before.accepted:
        raise IsolationError(
            f"cannot write '{output}': it has an accepted state already",
            "delete its key `accepted` to accept today's state, or name another file: --output FILE",
        )
    return before


def _state_of(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Return the cells that do not hold, by target; tests of the user and waived cells are none of them."""
    state: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.verdict not in SOUND and not cell.waiver and "::" not in cell.check:
            state[cell.target].append(cell)
    return state


def _target_lines(targets: Iterable[TargetInfo]) -> Iterator[str]:
    yield "targets:"
    for target in targets:
        yield f"  {target.id.removeprefix(f'{RUN}:')}: {{run: {_quoted(target.command)}}}"


def _accepted_lines(targets: Iterable[str], state: dict[str, list[Cell]]) -> Iterator[str]:
    yield "accepted:"
    for target in sorted(targets):
        yield f"  {_quoted(target)}:" + ("" if state[target] else " {}")
        for cell in sorted(state[target], key=lambda one: one.check):
            yield f"    {cell.check}:"
            yield f"      verdict: {cell.verdict.value}"
            yield f"      because: {_quoted(escape(cell.reason)[:300])}"
            yield '      reason: ""'


def _quoted(text: str) -> str:
    """Return a YAML string; JSON's strings are YAML's."""
    return json.dumps(text)
