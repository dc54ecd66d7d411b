"""provisioner.linux.processes: identity, descendants, and the end of a process."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from fakes import wait_for

from provisioner.linux import processes


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_this_process_is_alive() -> None:
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
    assert child.wait(60) == -signal.SIGKILL


def test_threads_count_after_their_leader_ended() -> None:
    script = (
        "import ctypes, os, threading, time; threading.Thread(target=time.sleep, args=(60,)).start();"
        "print(flush=True); ctypes.CDLL(None).syscall(60 if os.uname().machine == 'x86_64' else 93, 0)"  # exit(2)
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        it = processes.read_process(process.pid)
        assert process.stdout is not None
        process.stdout.readline()
        assert it is not None
        wait_for(lambda: processes.read_process(process.pid) is None)  # its leader is a zombie

        assert processes.has_live_task(it)
        assert not processes.has_live_task(dataclasses.replace(it, start=it.start + 1))
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: not processes.has_live_task(it))


def test_parent_and_links_belong_to_exactly_this_process(child: subprocess.Popen[bytes]) -> None:
    it = processes.read_process(child.pid)
    assert it is not None
    other = dataclasses.replace(it, start=it.start + 1)

    assert processes.parent_of(it) == processes.read_process(os.getpid())
    assert processes.read_link(it, "ns/pid") == os.readlink("/proc/self/ns/pid")
    assert (processes.parent_of(other), processes.read_link(other, "ns/pid")) == (None, None)


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


def test_clock_now_is_the_clock_of_start_times(child: subprocess.Popen[bytes]) -> None:
    it = processes.read_process(child.pid)
    assert it is not None

    assert it.start <= processes.clock_now() < it.start + 60 * os.sysconf("SC_CLK_TCK")
