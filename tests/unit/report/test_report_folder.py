"""pytest_isolation.report.folder: what a report's folder holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sample_records import archived, blank
from sample_results import sample

from provisioner.errors import IsolationError
from pytest_isolation.report.folder import write_report
from pytest_isolation.session.read_options import _report

NOBODY = 65534
root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user: run as root")


def listed(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize("clean", [True, False])
def test_older_facts_go_only_after_a_run_and_nothing_else_goes(tmp_path: Path, clean: bool) -> None:
    older = archived(blank("qemu", "vm"), tmp_path / "facts").name
    newer = archived(blank(), tmp_path / "facts").name
    (tmp_path / "facts/mine.json").touch()
    write_report(tmp_path, [blank()], sample(), clean)

    facts = {"mine.json", newer} if clean else {"mine.json", newer, older}
    assert listed(tmp_path) == [*sorted(f"facts/{name}" for name in facts), "index.html", "results.json"]


@root
def test_report_goes_into_a_folder_of_another_user_twice(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "report/facts").mkdir(parents=True)
    for path in (theirs, theirs / "report", theirs / "report/facts"):
        os.chown(path, NOBODY, NOBODY)
    for directory in (theirs / "report", theirs / "new/report", theirs / "new/report"):
        write_report(directory, [blank()], sample(), clean=True)

        assert len(listed(directory)) == 3


@root
@pytest.mark.parametrize("name", ["", "facts"])
def test_link_of_another_user_is_refused(tmp_path: Path, name: str) -> None:
    ours, report = tmp_path / "ours", tmp_path / "theirs/report"
    ours.mkdir()
    (report if name else report.parent).mkdir(parents=True)
    (report / name).symlink_to(ours)
    for path in (report.parent, report, report / name):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    with pytest.raises((OSError, IsolationError)):
        write_report(report, [blank()], sample(), clean=True)

    assert listed(ours) == []
    if not name:
        with pytest.raises(pytest.UsageError, match="uid 65534 can change the link"):
            _report(str(report))  # before anything runs
