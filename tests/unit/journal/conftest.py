"""A home of its own for each test of the journal."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with an empty cache and run folder."""
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path))
    for name in ("cache", "run"):
        (tmp_path / name).mkdir(mode=0o755)
    return tmp_path


@pytest.fixture
def runs(home: Path) -> Path:
    """The folder of its journals."""
    folder = home / "run" / "runs"
    folder.mkdir(mode=0o700)
    return folder
