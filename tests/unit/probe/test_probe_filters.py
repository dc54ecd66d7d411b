"""Installed seccomp filters, read from outside (process/filters.c)."""

from __future__ import annotations

import base64
import contextlib
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_probe import Served, as_root, read_document, run, wait_until

from provisioner.errors import UnobservedFact

FILTERED = str(Path(__file__).parents[2] / "weaknesses" / "with_filters.py")
ALLOW_ALL = struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000)
REFUSE_ONE = struct.pack("<HBBIHBBIHBBI", 0x20, 0, 0, 0, 0x15, 0, 1, 9998, 0x06, 0, 0, 0x00050001) + ALLOW_ALL


@contextlib.contextmanager
def filtered(*programs: bytes) -> Iterator[int]:
    """Start a process of two threads under these filters, the oldest first; yield its pid."""
    words = [base64.b64encode(program).decode() for program in programs]
    script = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); print(1, flush=True)"
    argv = [sys.executable, "-I", FILTERED, "0", *words, "--", sys.executable, "-c", script]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        process.communicate()


@as_root
def test_outside_reads_the_filters_of_every_task_and_resumes_it(probe: Path) -> None:
    with filtered(REFUSE_ONE, ALLOW_ALL) as pid:
        facts = read_document(run(probe, "outside", "o1", f"pid:{pid}", "filters"), "o1")
        state = re.findall(r"(?:State|TracerPid):\t(\w+)", Path(f"/proc/{pid}/status").read_text())

    found = facts.process.filters
    assert state == ["S", "0"]
    assert [base64.b64decode(text) for text in found.programs] == [REFUSE_ONE, ALLOW_ALL]
    assert [task.stack for task in found.tasks] == [[0, 1], [0, 1]]
    assert {task.pid for task in found.tasks} == {pid}
    assert found.stopped_us > 0


@as_root
def test_outside_reads_the_filters_of_the_whole_pid_namespace(probe: Path) -> None:
    words = [base64.b64encode(REFUSE_ONE).decode(), "--", "sleep", "60"]
    beside = subprocess.list2cmdline([sys.executable, "-I", FILTERED, "0", *words])
    script = f'{beside} & echo $!; exec "$0" serve beside'
    argv = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, str(probe)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        found: list[list[int]] = []

        def both_seen() -> bool:
            done = run(probe, "outside", "o1", "beside", "filters")
            if done.returncode == 0:
                found[:] = [task.stack for task in read_document(done, "o1").process.filters.tasks]
            return sorted(found) == [[], [0]]

        wait_until(both_seen)
    finally:
        process.kill()
        process.communicate()


@as_root
def test_a_filter_of_maximum_length_is_complete(probe: Path) -> None:
    program = b"".join(struct.pack("<HBBI", 0x00, 0, 0, number) for number in range(4095)) + ALLOW_ALL
    with filtered(program) as pid:
        facts = read_document(run(probe, "outside", "o1", f"pid:{pid}", "filters"), "o1")

    assert [base64.b64decode(text) for text in facts.process.filters.programs] == [program]


def test_a_task_without_filters_has_an_empty_stack(probe: Path, served: Served) -> None:
    facts = read_document(run(probe, "outside", "o1", served.nonce, "filters"), "o1")
    if facts.process.seccomp.mode != 0:
        pytest.skip("this session has a seccomp filter: run it outside of a container")

    assert [(task.tid, task.stack) for task in facts.process.filters.tasks] == [(served.process.pid, [])]
    assert facts.process.filters.programs == []


TRACER = """
import ctypes, sys, time
assert ctypes.CDLL(None).ptrace(0x4206, int(sys.argv[1]), 0, 0) == 0
print(1, flush=True)
time.sleep(60)
"""


@as_root
def test_filters_are_unobserved_if_not_requested_or_refused(probe: Path) -> None:
    with filtered(ALLOW_ALL) as pid:
        asked = ["setpriv", "--reuid=65534", "--clear-groups", str(probe)]
        other = subprocess.run([*asked, "outside", "o1", f"pid:{pid}", "filters"], capture_output=True, timeout=300)
        silent = read_document(run(probe, "outside", "o1", f"pid:{pid}"), "o1")
        tracer = subprocess.Popen([sys.executable, "-I", "-c", TRACER, str(pid)], stdout=subprocess.PIPE)
        assert tracer.stdout is not None
        tracer.stdout.readline()
        traced = read_document(run(probe, "outside", "o1", f"pid:{pid}", "filters"), "o1")
        tracer.kill()
        tracer.communicate()

    for facts, fragment in ((silent, "not asked for"), (traced, "EPERM")):
        with pytest.raises(UnobservedFact, match=fragment):
            _ = facts.process.filters
    if other.returncode == 0:  # a folder that only root may enter hides the probe itself
        with pytest.raises(UnobservedFact, match=r"EPERM|EACCES"):
            _ = read_document(other, "o1").process.filters
