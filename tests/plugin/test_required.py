"""A runtime that is required and not installed ends the session before anything is started."""

from __future__ import annotations

import pytest

from provisioner.runtimes.load import load_runtime

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")

# sys.audit reports each start of a process: Python's "Audit events table"
CONFTEST = """
import sys
from pathlib import Path
from pytest_isolation.targets import target

STARTS = ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.exec", "os.system", "pty.spawn")
started = Path(__file__).with_name("started")
started.touch()
found = target.find_program

def note(event, arguments):
    if event in STARTS:
        with started.open("a") as file:
            print(event, *arguments[:2], file=file)

sys.addaudithook(note)
target.find_program = lambda program: None if program == {program!r} else found(program)
"""


@pytest.mark.parametrize(
    ("runtime", "more"),
    [("docker", ()), ("podman+runc", ("--isolation-suite",)), ("qemu", ("-n2",))],
    ids=["a daemon", "an option", "workers"],
)
def test_what_is_not_installed_is_one_line_and_nothing_is_started(
    pytester: pytest.Pytester, runtime: str, more: tuple[str, ...]
) -> None:
    program = load_runtime(runtime).binary
    pytester.makeconftest(CONFTEST.format(program=program))
    pytester.makepyfile("def test_one(sandbox): pass")

    result = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "--isolation=container,vm", f"--isolation-require={runtime}", *more, timeout=300
    )

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line]
    assert line.startswith(f"ERROR: cannot run '{runtime}': {program} is not installed; apt-get install ")
    assert (pytester.path / "started").read_text() == ""


def test_the_count_sees_what_is_started(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST.format(program="none"))
    pytester.makepyfile("def test_one(): import subprocess; subprocess.run(['true'])")

    assert pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=300).ret == 0
    assert (pytester.path / "started").read_text().startswith("subprocess.Popen true")
