"""What sessions in pytester stand on: a home of their own with the probe in it, and a plain environment."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.paths import HOME
from provisioner.probe.build import probe_binary


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """
    A home for all sessions, with the probe in its cache.

    Not below pytest's own folder, which is closed to the users that sandboxes run as.
    """
    folder = Path(tempfile.mkdtemp(prefix="isolation-home-"))
    folder.chmod(0o711)
    built = probe_binary().path.parent
    shutil.copytree(built, folder / "cache" / built.name)
    (folder / "cache").chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in ("PYTEST_ADDOPTS", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv(HOME, str(home))
