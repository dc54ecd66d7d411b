"""`isolation init`: a report becomes isolation.yaml, and a file of the user stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sample_records import archived, blank
from typer.testing import CliRunner

from provisioner.errors import IsolationError
from pytest_isolation.cli import app
from pytest_isolation.policy.isolation_file import load_isolation_file
from pytest_isolation.results.merge import normal
from pytest_isolation.results.model import Cell, Check, Run
from pytest_isolation.session.init import write_state

COMMAND = "docker run --env 'A=\"b\"' me/app"
CELLS = [
    ("ns.net", "run:web", "open", "documented", "pid 1 is \u202e the host's"),
    ("ns.pid", "run:web", "holds", "ok", ""),
    ("dev.nodes", "run:web", "not_applicable", "none", ""),
    ("lim.memory", "run:web", "open", "waived", "waived until 2027-01-01"),
    ("test_own.py::test_it", "run:web", "open", "finding", "mine"),
]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    folder = tmp_path / "report"
    (folder / "facts").mkdir(parents=True)
    record = blank()
    info = record.target.model_copy(update={"id": "run:web", "command": COMMAND})
    archived(record.model_copy(update={"target": info}), folder / "facts")
    keys = ("check", "target", "verdict", "judgement", "reason")
    cells: list[dict[str, Any]] = [dict(zip(keys, cell, strict=True)) for cell in CELLS]
    for cell in cells:
        cell["waiver"] = "w" if cell["judgement"] == "waived" else ""
    checks = tuple(Check(id=cell["check"]) for cell in cells)
    results = normal(Run(), (), (), checks, tuple(Cell.model_validate(cell) for cell in cells), ())
    (folder / "results.json").write_text(results.model_dump_json(by_alias=True))
    return folder


def test_targets_and_state_are_written(report: Path, tmp_path: Path) -> None:
    told = write_state(report, tmp_path / "isolation.yaml")
    file = load_isolation_file(tmp_path / "isolation.yaml")

    assert {name: one.run for name, one in file.targets.items()} == {"web": COMMAND}
    assert list(file.accepted["run:web"]) == ["ns.net"]
    assert file.accepted["run:web"]["ns.net"].reason == ""
    assert "run:web: 1 checks that do not hold are accepted" in told[0]


def test_the_users_text_stays(report: Path, tmp_path: Path) -> None:
    output = tmp_path / "isolation.yaml"
    output.write_text("# mine\ntargets:\n  web: {run: docker run me/app}   # ours\nwaivers: []\n")

    write_state(report, output)

    assert output.read_text().startswith("# mine\ntargets:\n  web: {run: docker run me/app}   # ours\nwaivers: []\n\n#")
    assert list(load_isolation_file(output).accepted) == ["run:web"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accepted: {run:web: {ns.net: {verdict: open}}}", "it has an accepted state already"),
        ("targets: {other: {run: 'env {probe}'}}", "its `targets` do not have 'web'"),
        ("target: {}", "unknown key 'target'"),
    ],
)
def test_a_file_in_the_way_is_one_line(report: Path, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "isolation.yaml").write_text(f"{text}\n")

    with pytest.raises(IsolationError, match=told):
        write_state(report, tmp_path / "isolation.yaml")

    assert (tmp_path / "isolation.yaml").read_text() == f"{text}\n"


def test_the_command_reads_a_report(report: Path, tmp_path: Path) -> None:
    output = tmp_path / "isolation.yaml"
    done = CliRunner().invoke(app, ["init", f"--report={report}", f"--output={output}"])

    assert done.exit_code == 0, done.output
    assert "Next: fill in the reasons" in done.output
    assert output.exists()
