"""The probe under test.  PROBE_UNDER_TEST names its file: `make check` sets it to the one with sanitizers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from served_probe import Served

from provisioner.probe import channel
from provisioner.probe.build import probe_binary


@pytest.fixture(scope="session")
def probe() -> Path:
    given = os.environ.get("PROBE_UNDER_TEST")
    return Path(given) if given else probe_binary().path


@pytest.fixture
def served(probe: Path) -> Iterator[Served]:
    one = Served(probe)
    yield one
    one.process.kill()
    one.end()


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that stalls is given up at the deadline itself."""
    monkeypatch.setattr(channel, "GRACE", 0.0)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that wait for answers while the test plays the probe."""
    with ThreadPoolExecutor(32) as threads:
        yield threads
