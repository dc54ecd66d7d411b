"""The moments of a run, each recognised from outside: `PHASES`.

A phase prepares a home (a stand-in on PATH, the test of a user, a journal), names the command, and tells whether the
program is there now.  No program of ours has a hook for it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from faults.home import Act, Home, provisioner, session
from faults.running import Running
from faults.strikes import sandbox_processes

ANSWERS = """
def test_it_answers(sandbox):
    assert sandbox.live.inside().nonce == sandbox.live.nonce
"""
WAITS = """
import os, time
from pathlib import Path

def test_it_answers(sandbox):
    assert sandbox.namespaces.pid is not None

def test_it_waits(sandbox):
    marks = Path(os.environ["MARKS"])
    (marks / "tests").touch()
    until = time.monotonic() + 60
    while time.monotonic() < until and not (marks / "struck").exists():
        time.sleep(0.1)
"""
LOADS = """
import os
from pathlib import Path

def test_under_load(sandbox):
    pending = sandbox.live.channel.start("load", "cpu", "1", "50000", deadline=60)
    Path(os.environ["MARKS"], "load").touch()
    sandbox.live.channel.wait(pending)
"""
# what `create` of a runtime has in its command line
CREATE = {
    "unshare": ("unshare", " --map-root-user "),
    "runc": ("runc", " run "),
    "crun": ("crun", " run "),
    "podman": ("podman", " run "),
    "docker": ("docker", " run "),
    "qemu": ("qemu-system-x86_64", " -kernel "),
}

RUNTIMES = {"podman": "podman+runc"}  # crun refuses a host that has cgroup v1 and v2 side by side


def _nothing(home: Home) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Phase:
    """
    A moment of a run.

    Args:
        name: what happens at it.
        argv: the program.
        is_now: looks from outside whether the program is at it.
        prepare: makes the home ready.
        built: whether the home has a probe already.
        sharp: whether the moment is so short that the program is stopped (SIGSTOP) while it is struck.
        env: variables for the program.
        needs: the program that must be installed.
    """

    name: str
    argv: Callable[[], list[str]]
    is_now: Callable[[Home, Running], object]
    prepare: Callable[[Home], None] = _nothing
    built: bool = True
    sharp: bool = False
    env: tuple[tuple[str, str], ...] = ()
    needs: str = "unshare"


def reached(name: str) -> Callable[[Home, Running], bool]:
    """Return a look for what noted that it was reached."""
    return lambda home, program: home.reached(name)


def printed(text: str) -> Callable[[Home, Running], bool]:
    """Return a look for a text in the program's output."""
    return lambda home, program: text in program.text


def written(path: str) -> Callable[[Home, Running], bool]:
    """Return a look for a file in the working folder."""
    return lambda home, program: (home.work / path).exists()


def sandbox_stopped(home: Home, program: Running) -> bool:
    """Stop the probe in the sandbox, or the virtual machine, as soon as it is there; returns whether it is."""
    for pid in sandbox_processes(home, program):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            return True
    return False


def _test(text: str, *stand_ins: tuple[str, str, Act], kernel: bool = False) -> Callable[[Home], None]:
    def prepare(home: Home) -> None:
        home.write_test(text)
        if kernel:
            home.add_kernel()
        for program, words, act in stand_ins:
            home.stand_in(program, words, act)

    return prepare


def _dead_run(home: Home) -> None:
    """Leave the journal of a dead run: its undo takes five seconds."""
    home.write_test(ANSWERS)
    home.stand_in("true", " undo ", "slow")
    home.plant_journal([{"kind": "command", "values": [str(home.path / "bin" / "true"), "undo", "x"]}])


def _build(act: Act) -> Callable[[Home], None]:
    return _test(ANSWERS, ("musl-gcc", " -static ", act))


MUSL = (("PYTEST_ISOLATION_CC", "musl-gcc"),)


def of_runtime(name: str) -> list[Phase]:
    """Return the phases that a session has on every runtime."""
    program, words = CREATE[name]

    def run() -> list[str]:
        return session(RUNTIMES.get(name, name), kind="vm" if name == "qemu" else "container")

    def user_test(text: str, *stand_ins: tuple[str, str, Act]) -> Callable[[Home], None]:
        return _test(text, *stand_ins, kernel=name == "qemu")

    phases = [
        Phase(f"create/{name}", run, reached(program), user_test(ANSWERS, (program, words, "hang"))),
        Phase(f"facts/{name}", run, sandbox_stopped, user_test(ANSWERS)),
        Phase(f"tests/{name}", run, reached("tests"), user_test(WAITS)),
        Phase(f"load/{name}", run, reached("load"), user_test(LOADS)),
        Phase(f"teardown/{name}", run, printed("PASSED"), user_test(ANSWERS), sharp=True),
        Phase(f"report/{name}", run, written("report/facts"), user_test(ANSWERS), sharp=True),
        Phase(f"host close/{name}", run, printed(" passed in "), user_test(ANSWERS), sharp=True),
    ]
    return [replace(phase, needs=program) for phase in phases]


def _all() -> list[Phase]:
    unshare = lambda: session("unshare")  # noqa: E731
    podman = lambda: session(RUNTIMES["podman"])  # noqa: E731
    return [
        Phase("prune", unshare, reached("true"), _dead_run),
        Phase("build", unshare, reached("musl-gcc"), _build("hang"), built=False, env=MUSL, needs="musl-gcc"),
        *of_runtime("unshare"),
        *of_runtime("runc"),
        # their own images and daemons make them slow
        *of_runtime("podman"),
        Phase(
            "import/podman",
            podman,
            reached("podman"),
            _test(ANSWERS, ("podman", " load ", "hang")),
            needs="podman",
        ),
        Phase(
            "forget/podman",
            podman,
            reached("podman"),
            _test(ANSWERS, ("podman", " rmi ", "slow")),
            needs="podman",
        ),
        *of_runtime("qemu"),
        # the provisioner
        Phase("provisioner prune", lambda: provisioner("prune"), reached("true"), _dead_run),
        Phase(
            "provisioner build",
            lambda: provisioner("build"),
            reached("musl-gcc"),
            _build("hang"),
            built=False,
            env=MUSL,
            needs="musl-gcc",
        ),
        Phase(
            "provisioner doctor",
            lambda: provisioner("doctor"),
            reached("runc"),
            _test(ANSWERS, ("runc", " --version ", "hang")),
            needs="runc",
        ),
        Phase(
            "daemon start",
            lambda: provisioner("daemon", "docker", "--", "true"),
            reached("docker"),
            _test(ANSWERS, ("docker", " version ", "hang")),
            needs="dockerd",
        ),
        Phase(
            "daemon",
            lambda: provisioner("daemon", "docker", "--", "sh", "-c", "touch $MARKS/tests; exec sleep 60"),
            reached("tests"),
            needs="dockerd",
        ),
    ]


PHASES: dict[str, Phase] = {phase.name: phase for phase in _all()}
