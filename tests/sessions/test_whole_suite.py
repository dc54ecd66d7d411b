"""The bundled suite over all targets, alone and with two workers: the same cells, one report, nothing left."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from isolation_session import ARGS, COUNT, TARGETS, cells, nothing_left, run

from provisioner.paths import HOME
from pytest_isolation.reference.schemas import DIRECTORY

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture(scope="session")
def runs(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, Path]]:
    """The bundled suite over all targets, alone and with two workers: exit status, what was printed, the report."""
    found = {}
    environment = {**os.environ, HOME: str(home), "COLUMNS": "200"}
    environment.pop("PYTEST_ADDOPTS", None)
    for workers in ("-n0", "-n2"):
        folder = tmp_path_factory.mktemp("report")
        argv = [
            *(sys.executable, "-m", "pytest", *ARGS, workers, "-v", "--isolation=container"),
            *(
                f"--isolation-runtime={TARGETS}",
                f"--isolation-report={folder}/report",
            ),
        ]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=900, cwd=folder, env=environment)
        found[workers] = (done.returncode, done.stdout, folder / "report")
    return found


def counts(text: str) -> Counter[str]:
    return Counter({word: int(number) for number, word in re.findall(r"(\d+) (\w+)", text.strip().splitlines()[-1])})


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_stock_runtime_gives_no_finding(runs: dict[str, tuple[int, str, Path]], workers: str) -> None:
    status, told, _ = runs[workers]

    assert status == 0, told


def test_workers_change_neither_counts_nor_cells(runs: dict[str, tuple[int, str, Path]]) -> None:
    alone, shared = runs["-n0"], runs["-n2"]

    words = ("passed", "failed", "skipped", "xfailed", "error")
    assert [counts(alone[1])[word] for word in words] == [counts(shared[1])[word] for word in words]
    assert cells(alone[2]) == cells(shared[2])


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_every_check_of_every_target_is_a_cell(runs: dict[str, tuple[int, str, Path]], workers: str) -> None:
    found = cells(runs[workers][2])

    checks = {check for check, _ in found}
    assert len(checks) >= 40
    assert set(found) == {(check, target) for check in checks for target in TARGETS.split(",")}


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_as_many_probes_are_run_as_there_are_targets(runs: dict[str, tuple[int, str, Path]], workers: str) -> None:
    _, told, report = runs[workers]

    assert re.findall(r"^isolation: (\d+) targets observed in [\d.]+ s$", told, re.MULTILINE) == [str(COUNT)]
    assert len(list((report / "facts").glob("*.json"))) == COUNT


def test_each_target_stays_on_one_worker(runs: dict[str, tuple[int, str, Path]]) -> None:
    ran = re.findall(r"^\[(gw\d)\] .*::\w+\[([\w+-]+)\]", runs["-n2"][1], re.MULTILINE)

    assert {target for _, target in ran} == set(TARGETS.split(","))
    assert len(set(ran)) == COUNT


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_report_is_whole_and_fits_its_schema(runs: dict[str, tuple[int, str, Path]], workers: str) -> None:
    report = runs[workers][2]

    assert {path.name for path in report.iterdir()} == {"facts", "results.json", "index.html"}
    document = json.loads((report / "results.json").read_text())
    jsonschema.validate(document, json.loads((DIRECTORY / "results.schema.json").read_text()))
    assert [target["id"] for target in document["targets"]] == sorted(TARGETS.split(","))
    assert (report / "index.html").read_text().lower().startswith("<!doctype html>")


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_judging_the_archive_gives_the_same_verdicts(
    runs: dict[str, tuple[int, str, Path]], workers: str, tmp_path: Path
) -> None:
    report = runs[workers][2]
    argv = [sys.executable, "-m", "pytest_isolation", "judge", *map(str, (report / "facts").iterdir())]

    done = subprocess.run([*argv, "--report", str(tmp_path)], capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    assert cells(tmp_path) == cells(report)


def test_judging_under_a_profile_gives_what_a_run_under_it_does(pytester: pytest.Pytester) -> None:
    report, again, same, plain = (pytester.path / name for name in ("report", "again", "same", "plain"))
    args = ("--isolation=container", f"--isolation-runtime={TARGETS}", f"--isolation-report={report}", "-n0")

    ran = run(pytester, *args, "--isolation-profile=restricted@1")
    for folder, asked in ((again, ["--profile=restricted@1"]), (same, []), (plain, ["--ignore-settings"])):
        argv = [sys.executable, "-m", "pytest_isolation", "judge", *map(str, (report / "facts").iterdir())]
        subprocess.run([*argv, "--report", str(folder), *asked], capture_output=True, timeout=300)

    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert cells(again) == cells(same) == cells(report)
    assert {key: verdict for key, (verdict, _) in cells(plain).items()} == {
        key: verdict for key, (verdict, _) in cells(report).items()
    }
    assert cells(plain) != cells(report)


def test_nothing_is_left_of_any_run(runs: dict[str, tuple[int, str, Path]], home: Path) -> None:
    assert nothing_left(home)
