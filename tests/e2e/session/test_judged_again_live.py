"""
The session's own archive judged again, over all of its targets: the same cells, also under another profile, and by a
newer suite.

Runs last (conftest.py), with `--isolation-suite`: what is compared is what this session's own checks said.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sample_records import archived

import pytest_isolation
from provisioner.observed import NOT_HELD, FactMap, Observed
from pytest_isolation.policy.verdict import LEVELS, Judgement, Verdict, check_of
from pytest_isolation.records.read import load_record
from pytest_isolation.records.record import Record
from pytest_isolation.results import model as r
from pytest_isolation.session.finish import make_results
from pytest_isolation.session.state import STATE, State
from pytest_isolation.session.suite import SUITE

Key = tuple[str, str]  # a check's id and a target's
NEWER = '''
import pytest


@pytest.mark.isolation("newer.judged")
def test_a_fact_that_was_archived(sandbox):
    """It has no number."""
    raise AssertionError(f"it is {sandbox.inside.process.pid}")


@pytest.mark.isolation("newer.unknown")
def test_a_fact_that_no_older_probe_looked_for(sandbox):
    """It leaves nothing."""
    assert sandbox.residue() is not None
'''


@dataclass(frozen=True)
class Archive:
    """What this session observed and said: each target's record, its file, and the bundled suite's cells."""

    files: dict[str, Path]
    records: dict[str, Record]
    cells: dict[Key, r.Cell]
    checks: dict[str, r.Check]


@pytest.fixture(scope="module")
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    state = request.config.stash.get(STATE, None)
    selected = _suite_cells(request.session.items, state) if state is not None else set()
    if not selected:
        pytest.skip("judges again what the bundled suite said: run with --isolation=… --isolation-suite")
    results = make_results(state)
    cells = {key: cell for cell in results.cells if (key := (cell.check, cell.target)) in selected}
    assert cells.keys() == selected, "a selected check has no cell yet: this module must be the last"
    folder = tmp_path_factory.mktemp("facts")
    files = {name: archived(one.record, folder) for name, one in state.measurements.items()}
    records = {name: load_record(path) for name, path in files.items()}
    return Archive(files, records, cells, {check.id: check for check in results.checks})


def _suite_cells(items: list[pytest.Item], state: State) -> set[Key]:
    """Return which cells the session's own run of the bundled suite makes."""
    found = set()
    for item in items:
        target = getattr(getattr(item, "callspec", None), "params", {}).get("isolation_target")
        if item.path.is_relative_to(SUITE) and target in state.measurements:
            found.add((check_of(item).id, target))
    return found


def judge(files: list[Path], report: Path, *args: str, package: Path | None = None) -> r.Results:
    """Run `isolation judge` as a process of its own; `package`: of the pytest_isolation that lies there."""
    argv = [sys.executable, "-m", "pytest_isolation", "judge", *map(str, files), "--report", str(report), *args]
    environment = {**os.environ, **({"PYTHONPATH": str(package)} if package else {})}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=900, cwd=report, env=environment)
    results = r.load_results(report)
    assert (done.returncode, done.stderr) == (int(bool(results.findings())), "")
    return results


def test_the_archive_gives_the_same_cells(archive: Archive, tmp_path: Path) -> None:
    """Verdict, judgement, reason, the documented exception's source, and the facts shown."""
    judged = {(cell.check, cell.target): cell for cell in judge([*archive.files.values()], tmp_path).cells}

    assert archive.cells == {key: judged[key] for key in archive.cells}


def test_another_profile_changes_what_counts_and_no_verdict(archive: Archive, tmp_path: Path) -> None:
    judged = judge([*archive.files.values()], tmp_path, "--profile=restricted@1")
    found = {(cell.check, cell.target): cell for cell in judged.cells}

    expected = {
        key: (cell.verdict, Judgement.FINDING if _demanded(archive, cell) else cell.judgement)
        for key, cell in archive.cells.items()
    }
    assert expected == {key: (found[key].verdict, found[key].judgement) for key in archive.cells}
    assert judged.run.policies == ("restricted@1",)


def _demanded(archive: Archive, cell: r.Cell) -> bool:
    """Whether the highest level demands a wall that is not there: every level of a profile is demanded by it."""
    profile = archive.checks[cell.check].profile
    level = profile if isinstance(profile, str) else profile.get(archive.records[cell.target].target.kind, "")
    lacking = cell.verdict not in (Verdict.HOLDS, Verdict.NOT_APPLICABLE)
    return lacking and cell.judgement is not Judgement.WAIVED and level in LEVELS


def test_a_newer_suite_judges_an_older_probes_facts_and_never_greener(archive: Archive, tmp_path: Path) -> None:
    package, report = tmp_path / "newer", tmp_path / "report"
    report.mkdir()
    copy = shutil.ignore_patterns("__pycache__")
    suite = shutil.copytree(Path(pytest_isolation.__file__).parent, package / "pytest_isolation", ignore=copy) / "suite"
    (suite / "test_newer.py").write_text(NEWER)
    older = [_older(path, record, tmp_path) for path, record in zip(*_pairs(archive), strict=True)]

    judged = judge(older, report, package=package)

    found = {(cell.check, cell.target): cell for cell in judged.cells}
    for name, record in archive.records.items():
        known, unknown = found["newer.judged", name], found["newer.unknown", name]
        assert (known.verdict, known.reason) == (Verdict.OPEN, f"it is {record.inside.process.pid}")
        assert unknown.verdict is Verdict.UNKNOWN
        assert NOT_HELD in unknown.reason
    moved = {key: found[key] for key, cell in archive.cells.items() if found[key].verdict is not cell.verdict}
    assert {Verdict.UNKNOWN} == {cell.verdict for cell in moved.values()}, moved
    assert [cell for cell in moved.values() if NOT_HELD not in cell.reason] == []
    assert len(moved) < len(archive.cells) * 2 / 3  # the rest is judged by what an older probe saw


def _pairs(archive: Archive) -> tuple[list[Path], list[Record]]:
    return [archive.files[name] for name in archive.records], [*archive.records.values()]


def _older(path: Path, record: Record, folder: Path) -> Path:
    """Write the record as a probe of before all the facts that were added since would have it."""
    document = json.loads(path.read_bytes())
    for where in list(_added(record, ())):
        *outer, name = where
        part = document
        for key in outer:
            part = part[key]
        part.pop(name, None)
    written = folder / path.name
    written.write_text(json.dumps(document))
    return written


def _added(part: Any, where: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield where the facts stand that a document of an older probe lacks."""
    if isinstance(part, FactMap):
        for name, value in part.root.items():
            yield from _added(value, (*where, name))
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from _added(value, (*where, number))
    elif isinstance(part, Observed):
        for name, field in type(part).model_fields.items():
            path = (*where, field.alias or name)
            if field.default_factory is not None:
                yield path
            else:
                yield from _added(part.raw(name), path)
