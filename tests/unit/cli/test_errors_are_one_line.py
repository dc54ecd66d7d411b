"""Wrong input to the commands: one line with the cause and a hint, no traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from provisioner.cli.main import app
from provisioner.faults.report import run_reported
from pytest_isolation.cli import USAGE, main

MAINS = {"isolation": (main, USAGE), "provisioner": (app, 1)}


@pytest.mark.parametrize(
    ("command", "status", "cause", "hint"),
    [
        ("provisioner schemas FILE/x", 1, "cannot use 'FILE'", "; name another path: a part of this one is a file"),
        ("isolation schemas FILE/x", 4, "cannot use 'FILE'", "; name another path: a part of this one is a file"),
        ("isolation checks nosuch", 4, "cannot find check 'nosuch'", "(`isolation checks` lists all)"),
        ("isolation known nosuch", 4, "cannot find known flaw 'nosuch'", "`isolation known` lists all"),
        ("isolation judge FILE", 4, "cannot read the record 'FILE'", "; it should be a record: DIR/facts/*.json"),
        ("isolation filter FILE", 4, "cannot read the record 'FILE'", "; it should be a record: DIR/facts/*.json"),
        ("isolation report FILE", 4, "cannot read the results 'FILE'", "; it should be a results.json"),
        ("isolation judge nosuch.json", 4, "cannot read 'nosuch.json': No such file", ""),
    ],
)
def test_an_error_is_one_line(
    command: str,
    status: int,
    cause: str,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no JSON")
    words = command.replace("FILE", str(file)).split()
    monkeypatch.setattr(sys, "argv", words)

    ended = run_reported(words[0], *MAINS[words[0]])

    out, err = capsys.readouterr()
    assert (ended, out, err.count("\n")) == (status, "", 1)
    before, named, after = cause.partition("FILE")
    assert err.startswith(f"{words[0]}: {before}")
    assert not named or f"{file.name}{after}" in err  # a long path is shortened in its middle
    assert hint in err
