"""Fixtures for the lab's commands: a lab of fake machines, and the command line in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes_cli import LAB, Command, make_command
from fakes_machines import FakeLab


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeLab:
    """A lab of two fake machines, web and db."""
    return FakeLab(tmp_path, monkeypatch, LAB)


@pytest.fixture
def provisioner(fake: FakeLab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line in the lab's folder, one machine at a time."""
    monkeypatch.chdir(fake.file.parent)
    monkeypatch.setattr("provisioner.machines.parallel.default_jobs", lambda: 1)
    return make_command(monkeypatch, capsys)
