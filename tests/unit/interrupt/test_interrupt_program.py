"""A program that signals end: real processes, whose code says when it is ready for a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import wait_for

from provisioner.linux.processes import read_process

BEGIN = """
import contextlib, ctypes, os, signal, subprocess, sys, time
from provisioner.interrupt.lines import set_source
from provisioner.interrupt.program import forwarding, interrupted, run, undoing
from pathlib import Path
def say(text):
    with open(sys.argv[1], "a") as file:
        file.write(text + "\\n")
def wait(text, seconds=10, file=2):  # until the test has written it
    until = time.monotonic() + seconds
    while text not in Path(sys.argv[file]).read_text() and time.monotonic() < until:
        time.sleep(0.01)
def main():
"""
END = """
sys.exit(run("prog", main))
"""


class Program:
    """A running program; `said` holds what it wrote to its file."""

    def __init__(self, folder: Path, body: str) -> None:
        self.said, self.told = folder / "said", folder / "told"
        for file in (self.said, self.told):
            file.touch()
        code = BEGIN + "".join(f"    {line}\n" for line in body.strip().splitlines()) + END
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(self.said), str(self.told)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def await_(self, text: str) -> None:
        wait_for(lambda: text in self.said.read_text())

    def tell(self, text: str) -> None:
        self.told.write_text(text)

    def send(self, number: signal.Signals) -> str:
        """Send a signal and return the line that it causes."""
        assert self.process.stderr is not None
        self.process.send_signal(number)
        return self.process.stderr.readline().rstrip()

    def end(self) -> tuple[int, str]:
        """Return the exit status and the rest of its standard error."""
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


Start = Callable[[str], Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Program] = []

    def run(body: str) -> Program:
        """Start a program, and wait until it is ready for a signal."""
        started.append(Program(tmp_path, body))
        started[-1].await_("ready")
        return started[-1]

    yield run
    for program in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.process.pid, signal.SIGKILL)
        program.process.communicate()


SLEEP = """
try:
    say("ready")
    time.sleep(30)
finally:
    say("undone")
"""


@pytest.mark.parametrize(
    ("number", "status", "line"),
    [
        (signal.SIGINT, 130, "prog: interrupted"),
        (signal.SIGTERM, 143, "prog: interrupted by SIGTERM"),
        (signal.SIGHUP, 129, "prog: interrupted by SIGHUP"),
    ],
)
def test_a_signal_ends_a_program_with_one_line(start: Start, number: signal.Signals, status: int, line: str) -> None:
    program = start(SLEEP)

    assert program.send(number) == line
    assert program.end() == (status, "")
    assert program.said.read_text() == "ready\nundone\n"


UNDO = """
set_source(lambda dead: [("sandbox", "iso-1")] if "gone" not in Path(sys.argv[1]).read_text() else [])
try:
    say("ready")
    time.sleep(30)
finally:
    say("undoing")
    wait("go")
    say("gone")
"""


def test_the_second_signal_does_not_disturb_the_undoing(start: Start) -> None:
    program = start(UNDO)

    first = program.send(signal.SIGINT)
    program.await_("undoing")
    second = program.send(signal.SIGTERM)
    program.tell("go")

    assert first == "prog: interrupted; removing 1 sandbox (Ctrl-C twice more ends at once)"
    assert second == "prog: still removing 1 sandbox (Ctrl-C once more ends at once)"
    assert program.end() == (130, "")
    assert "gone" in program.said.read_text()


HANG = """
set_source(lambda dead: [("sandbox", "iso-1")] if dead else [])
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
say(f"ready {child.pid} ")
libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
libc.pthread_mutex_lock(mutex)
libc.pthread_mutex_lock(mutex)  # hangs; a signal does not end it (pthread_mutex_lock(3p))
"""


def test_the_third_signal_ends_a_program_that_hangs_and_kills_its_children(start: Start) -> None:
    program = start(HANG)
    child = int(program.said.read_text().split()[1])

    lines = [program.send(signal.SIGINT) for _ in range(3)]

    assert lines[2] == "prog: ended at once; left for `provisioner prune`: sandbox iso-1"
    assert program.end() == (130, "")
    assert read_process(child) is None


LATER = """
with undoing("removing sandbox iso-1"):
    say("ready")
    wait("go")
    say("undone")
say("not reached")
"""


def test_an_interrupt_is_raised_after_what_must_not_be_interrupted(start: Start) -> None:
    program = start(LATER)

    line = program.send(signal.SIGINT)
    program.tell("go")

    assert line == "prog: interrupted; removing sandbox iso-1 (Ctrl-C twice more ends at once)"
    assert program.end() == (130, "")
    assert program.said.read_text() == "ready\nundone\n"


LATE = """
class Last:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGINT):
        kill(pid, number)
sys.last = Last()  # deleted when the interpreter has set the default handlers again
say("ready")
time.sleep(20)
"""


def test_a_signal_at_the_interpreters_end_does_not_change_the_status(start: Start) -> None:
    program = start(LATE)
    program.send(signal.SIGINT)

    assert program.end() == (130, "")


FORWARD = """
script = "trap 'exit 7' TERM; echo ready; for _ in $(seq 200); do sleep 0.05; done"
with undoing():
    if {before}:
        say("ready")
        wait("go")
    child = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE)
    child.stdout.readline()
    with forwarding("child", child.send_signal):
        say("ready")
        status = child.wait()
sys.exit(status)
"""


@pytest.mark.parametrize("before", [False, True])
def test_a_signal_is_forwarded_to_a_child_which_decides_the_status(start: Start, before: bool) -> None:
    """Also one that comes before the child is there."""
    program = start(FORWARD.format(before=before))

    assert program.send(signal.SIGTERM).startswith("prog: interrupted by SIGTERM")
    program.tell("go")

    status, errors = program.end()
    assert status == 7
    assert "Traceback" not in errors


LOST = """
class Thing:
    def __del__(self):
        say("ready")
        time.sleep(1)
thing = Thing()
del thing
time.sleep(30)
"""


def test_an_interrupt_that_a_finalizer_swallows_is_raised_again(start: Start) -> None:
    program = start(LOST)

    assert program.send(signal.SIGINT) == "prog: interrupted"
    assert program.end() == (130, "")


FORKS = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # since Python 3.12: a process with threads forks
pid = os.fork()
if not pid:
    say("child")
    time.sleep(30)
    os._exit(0)
wait("child", file=1)
os.kill(pid, signal.SIGTERM)
say(f"ended by {os.WTERMSIG(os.waitpid(pid, 0)[1])}")
say("ready")
wait("go")
sys.exit(3)
"""


def test_a_signal_to_a_forked_child_is_the_childs_alone(start: Start) -> None:
    """multiprocessing ends its children with SIGTERM; a child has the parent's pipe."""
    program = start(FORKS)
    program.tell("go")

    assert program.end() == (3, "")
    assert program.said.read_text() == "child\nended by 15\nready\n"


LOOP = """
import asyncio
async def begin():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: None)  # sets a descriptor of its own
    say("ready")
    await asyncio.sleep(30)
asyncio.run(begin())
"""


def test_signals_are_counted_while_an_event_loop_has_set_its_descriptor(start: Start) -> None:
    program = start(LOOP)

    assert program.send(signal.SIGTERM) == "prog: interrupted by SIGTERM"
    assert program.end() == (143, "")


def test_a_program_that_is_not_interrupted_keeps_its_status(start: Start) -> None:
    program = start("say('ready')\nsys.exit(3)")

    assert program.end() == (3, "")


def test_an_ignored_signal_stays_ignored(start: Start, tmp_path: Path) -> None:
    code = BEGIN.replace("def main():", "signal.signal(signal.SIGHUP, signal.SIG_IGN)\ndef main():")
    code += "    os.kill(os.getpid(), signal.SIGHUP)\n    say('on')\n" + END
    said = tmp_path / "said"
    done = subprocess.run([sys.executable, "-c", code, str(said), "x"], capture_output=True, text=True)

    assert (done.returncode, done.stderr, said.read_text()) == (0, "", "on\n")
