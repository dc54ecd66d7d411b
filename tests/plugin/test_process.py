"""What a session does to its process: signal handlers, threads, descriptors; nothing of them without --isolation."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("plain", "no_worker")

ARGS = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:testinfra", "-p", "no:xdist")
SESSION = ("--isolation=container", "--isolation-runtime=self")
SEE = """
import os, signal, sys, threading, time

def see():  # one thread starts all children, until the process ends
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    return {
        "handlers": [str(signal.getsignal(getattr(signal, name))) for name in names],
        "wakeup": wakeup,
        "unraisable": getattr(sys.unraisablehook, "__module__", ""),
        "threads": sorted(thread.name for thread in threading.enumerate() if "spawner" not in thread.name),
        "stdout": type(sys.stdout).__name__,
    }
"""
TEST = "from see import see\n\ndef test_it():\n    with open('seen', 'w') as file:\n        file.write(repr(see()))\n"
TWICE = """
import pytest
from see import *

def count():
    until = time.monotonic() + 10
    while "isolation-interrupt" in see()["threads"] and time.monotonic() < until:
        time.sleep(0.01)  # the thread closes its descriptor
    return len(os.listdir("/proc/self/fd"))

before, counts = see(), []
for _ in range(3):
    status = pytest.main(sys.argv[1:])
    counts.append(count())
print("\\n", (int(status), before, see(), counts))
"""


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sessions not take themselves for workers if this test runs in one."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


def seen_in(folder: Path, *args: str) -> dict[str, object]:
    """Return what a test sees of its process."""
    (folder / "see.py").write_text(SEE)
    (folder / "test_it.py").write_text(TEST)
    argv = [sys.executable, "-m", "pytest", *ARGS, *args, "test_it.py"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    seen: dict[str, object] = ast.literal_eval((folder / "seen").read_text())
    return seen


def test_without_isolation_a_process_is_as_without_the_plugin(tmp_path: Path) -> None:
    plain = seen_in(tmp_path, "-p", "no:isolation", "-p", "no:threadexception", "-p", "no:unraisableexception")

    assert seen_in(tmp_path, "-p", "no:threadexception", "-p", "no:unraisableexception") == plain
    assert plain["threads"] == ["MainThread"]
    assert plain["wakeup"] == -1
    assert "default_int_handler" in str(plain["handlers"])


def test_with_isolation_signals_are_handled_in_a_thread(tmp_path: Path) -> None:
    seen = seen_in(tmp_path, *SESSION)

    assert str(seen["handlers"]).count("Guard._on_signal") == 3
    assert "isolation-interrupt" in str(seen["threads"])
    assert seen["wakeup"] != -1


def test_a_process_that_goes_on_is_as_before(tmp_path: Path) -> None:
    (tmp_path / "see.py").write_text(SEE)
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    argv = [sys.executable, "-c", TWICE, *ARGS, *SESSION, "test_it.py"]

    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    status, before, after, counts = ast.literal_eval(done.stdout.splitlines()[-1].strip())
    assert (status, after) == (0, before), done.stderr
    assert counts == counts[:1] * 3, "each session leaves a descriptor"


@pytest.mark.parametrize(("redirection", "status"), [("2>&-", 0), (">&-", 1), ("<&- >&- 2>&-", 1)])
def test_a_session_runs_with_closed_streams(tmp_path: Path, redirection: str, status: int) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): open('ran', 'w').close()\n")
    argv = [sys.executable, "-m", "pytest", *ARGS, *SESSION, "test_it.py"]

    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *argv], cwd=tmp_path, capture_output=True, text=True
    )

    assert (done.returncode, (tmp_path / "ran").exists()) == (status, True), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
