"""One process at a time changes a machine; those who wait see which process holds the lock."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from provisioner import progress
from provisioner.errors import IsolationError
from provisioner.machines.lock import hold_lock


def test_a_waiting_process_names_the_holder(tmp_path: Path) -> None:
    lines: list[str] = []
    before = progress.set_listener(lines.append)
    held = threading.Event()

    def hold() -> None:
        with hold_lock(tmp_path, "start machine 'a'", 10):
            held.set()
            time.sleep(progress.PATIENCE + 0.5)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(60)
        with hold_lock(tmp_path, "stop machine 'a'", 30):
            pass
    finally:
        thread.join()
        progress.set_listener(before)
    assert f"wait for process {os.getpid()} (start machine 'a') …" in lines


def test_the_error_names_a_holder_that_keeps_the_lock(tmp_path: Path) -> None:
    with (
        hold_lock(tmp_path, "start machine 'a'", 10),
        pytest.raises(IsolationError, match=r"cannot stop machine 'a': the lock is held by process \d+ \(start mach"),
        hold_lock(tmp_path, "stop machine 'a'", 0.1),
    ):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user: run as root")
def test_root_locks_nothing_in_a_folder_of_another_user(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)

    with pytest.raises(IsolationError, match="uid 65534 can change"), hold_lock(tmp_path, "start machine 'a'", 1):
        pass

    assert list(tmp_path.iterdir()) == []


def test_folder_is_made_for_the_lock_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with hold_lock(tmp_path / "lab" / "a", "start machine 'a'", 1):
            pass
    finally:
        os.umask(before)

    assert (tmp_path / "lab" / "a").stat().st_mode & 0o777 == 0o711
