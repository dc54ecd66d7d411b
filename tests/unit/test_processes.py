"""provisioner.processes: identity, descent, and the end of a process."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from provisioner import processes


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_this_process_lives() -> None:
    me = processes.read_process(os.getpid())

    assert me is not None
    assert processes.is_alive(me)


def test_another_start_time_or_boot_is_another_process(child: subprocess.Popen[bytes]) -> None:
    it = processes.read_process(child.pid)
    assert it is not None

    for other in (dataclasses.replace(it, start=it.start + 1), dataclasses.replace(it, boot="another")):
        processes.send_signal(other, signal.SIGKILL)
        assert not processes.is_alive(other)
    assert processes.is_alive(it)


def test_a_zombie_is_gone(child: subprocess.Popen[bytes]) -> None:
    it = processes.read_process(child.pid)
    assert it is not None

    assert processes.kill_all([it]) == []
    assert processes.read_process(child.pid) is None
    assert child.wait(5) == -signal.SIGKILL


def test_descendants_are_found_through_the_tree() -> None:
    with subprocess.Popen(["sh", "-c", "sh -c 'sleep 60; :' & echo up; wait"], stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        root = processes.read_process(shell.pid)
        assert root is not None
        while len(found := processes.with_descendants([root])) < 3:
            pass
        assert processes.kill_all(found) == []

    assert root in found


def test_a_process_that_ignores_sigterm_is_reported_at_the_deadline(child: subprocess.Popen[bytes]) -> None:
    it = processes.read_process(child.pid)
    assert it is not None

    assert processes.wait_gone([it], 0.05) == [it]


def test_members_of_a_namespace_are_found(child: subprocess.Popen[bytes]) -> None:
    inode = os.stat("/proc/self/ns/net").st_ino

    assert child.pid in [process.pid for process in processes.find_in_netns(inode)]
    assert processes.find_in_netns(1) == []
