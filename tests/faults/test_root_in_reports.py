"""Root writes a report into a folder of another user, who swaps folders for links meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_records import blank
from sample_results import sample

from faults.case import needs_root
from faults.racer import Arena, arena, race
from pytest_isolation.differential.command import keep_config
from pytest_isolation.report.folder import write_report

pytestmark = needs_root
RECORD = "0" * 64 + ".json"


def naive_report(directory: Path) -> None:
    """What this project did until its reports were held by descriptors."""
    (directory / "facts").mkdir(parents=True, exist_ok=True)
    for path in (directory / "facts").glob("*.json"):
        path.unlink()
    (directory / "results.json").write_text("{}")


def lost(place: Arena) -> bool:
    """Return whether something was made or deleted in root's folder."""
    return [path.name for path in place.ours.iterdir()] != [RECORD]


@pytest.mark.parametrize("swapped", ["report", "report/facts"])
def test_a_report_stays_in_its_folder(swapped: str) -> None:
    with arena() as place:
        report = place.theirs("theirs/report/facts").parent
        (place.ours / RECORD).touch()
        with place.swapping(f"theirs/{swapped}", place.ours):
            assert race(lambda: naive_report(report), lambda: lost(place))
            place.empty_ours()
            (place.ours / RECORD).touch()
            assert not race(lambda: write_report(report, [blank()], sample(), clean=True), lambda: lost(place), 2)


def test_a_configuration_that_differs_is_kept_in_its_folder() -> None:
    with arena() as place:
        kept, target = place.theirs("theirs/kept"), place.ours / RECORD
        (kept / "1-refused.json").touch()
        target.touch()

        def naive() -> None:
            (kept / "1-refused.json").write_text("{}")

        with place.swapping("theirs/kept/1-refused.json", target):
            assert race(naive, lambda: bool(target.read_text()))
            target.write_text("")
            assert not race(lambda: keep_config({}, kept, "1-refused.json"), lambda: bool(target.read_text()), 2)
