"""A load beside busy loops, and one that is stopped: the kernel's own times tell them apart, within seven seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from provisioner.limits.document import Load
from provisioner.limits.starving import READY, ready_share
from provisioner.probe.build import probe_binary
from provisioner.sandboxes.loads import read_schedule

pytestmark = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel counts no waiting times")
LOOP = "import time\nend = time.monotonic() + 7\nwhile time.monotonic() < end: pass"


@pytest.fixture
def busy_host() -> Iterator[None]:
    with ExitStack() as stack:
        loops = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", LOOP]))
            for _ in range(4 * (os.cpu_count() or 1))
        ]
        yield
        for loop in loops:
            loop.kill()


def start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["nice", "-n", "15", str(probe_binary().path), "load", "cpu", "2", "2000"], stdout=-1)


def times(output: bytes) -> Load:
    found = read_schedule(output)
    assert found, output
    return Load.model_construct(**found)


def test_a_load_beside_busy_loops_is_ready_and_waits(busy_host: None) -> None:
    with start() as process:
        load = times(process.communicate(timeout=60)[0])

    share = ready_share(load)
    assert share is not None
    assert share >= READY
    assert load.waited_us > 2 * load.ran_us


def test_a_load_that_is_stopped_is_not_ready() -> None:
    with start() as process:
        folder = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until = time.monotonic() + 20
        while len(children := [int(pid) for pid in folder.read_text().split()]) < 2:
            assert time.monotonic() < until
        for signum, wait in ((signal.SIGSTOP, 1.8), (signal.SIGCONT, 0.0)):
            for pid in children:
                os.kill(pid, signum)
            time.sleep(wait)
        load = times(process.communicate(timeout=60)[0])

    share = ready_share(load)
    assert share is not None
    assert share < READY
