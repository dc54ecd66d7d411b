"""No traceback leaves a program, and a lost output is an exit status that is not 0."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.faults.report import run_reported
from provisioner.paths import HOME

PROGRAM = """
import sys
from provisioner.faults.report import run_reported
def main():
    for number in range(20000):
        print("line", number)
    open({marker!r}, "w").close()
sys.exit(run_reported("prog", main, 4))
"""


def run_in_shell(script: str, tmp_path: Path) -> tuple[int, str, bool]:
    """Run PROGRAM as "$@" of a script; return its status, what was printed, and whether it did its work."""
    marker = tmp_path / "done"
    program = PROGRAM.format(marker=str(marker))
    done = subprocess.run(
        ["bash", "-c", script, "sh", sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stderr, marker.exists()


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (
            '"$@" >/dev/full',
            "prog: cannot write to standard output: No space left on device; free space there, or send it elsewhere\n",
        ),
        ('"$@" >&-', "prog: cannot write to standard output: it is closed; send it elsewhere\n"),
        ('"$@" <&- >&- 2>&-', ""),
        ('"$@" >/dev/full 2>&1', ""),
        ('"$@" | head -c 10 >/dev/null; exit ${PIPESTATUS[0]}', ""),
    ],
)
def test_a_program_without_output_does_its_work_and_fails(script: str, error: str, tmp_path: Path) -> None:
    assert run_in_shell(script, tmp_path) == (4, error, True)


@pytest.mark.parametrize("script", ['"$@" >/dev/null', '"$@" 2>&- >/dev/null', '"$@" <&- >/dev/null 2>/dev/full'])
def test_a_program_that_loses_only_its_errors_succeeds(script: str, tmp_path: Path) -> None:
    assert run_in_shell(script, tmp_path) == (0, "", True)


def raise_error(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (IsolationError("cannot do it", "do that"), 4, "prog: cannot do it; do that\n"),
        (OSError(28, "No space left on device", "/nosuch/x"), 4, "prog: cannot write '/nosuch/x': No space left"),
        (MemoryError(), 4, "prog: cannot go on: out of memory"),
        (SystemExit(3), 3, ""),
        (SystemExit(), None, ""),
    ],
)
def test_an_error_is_one_line_and_a_status(
    error: BaseException, status: int | None, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_reported("prog", lambda: raise_error(error), 4) == status

    printed = capsys.readouterr().err
    assert printed.startswith(line)
    assert printed.count("\n") == (1 if line else 0)


def test_a_bug_is_one_line_and_its_traceback_is_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(HOME, str(tmp_path))

    assert run_reported("prog", lambda: raise_error(KeyError("a\nb")), 4) == 4

    (file,) = (tmp_path / "state" / "bugs").iterdir()
    assert capsys.readouterr().err == (
        f"prog: bug in pytest-isolation: KeyError: 'a\\nb'; please report it with '{file}'\n"
    )
    assert "in raise_error" in file.read_text()


def test_a_bug_without_a_state_folder_shows_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(HOME, str(tmp_path / "file"))

    run_reported("prog", lambda: raise_error(KeyError("a")), 4)

    printed = capsys.readouterr().err
    assert "in raise_error" in printed
    assert printed.endswith("prog: bug in pytest-isolation: KeyError: 'a'; please report it with the traceback above\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "koi8-r", "cp437"])
def test_a_character_that_the_output_lacks_is_printed_in_ascii(encoding: str) -> None:
    program = (
        "import sys; from provisioner.faults.report import run_reported\n"
        "sys.exit(run_reported('prog', lambda: print('caf\u00e9 \u2026 \u0416 \u4e16')))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env={"PYTHONIOENCODING": encoding})

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"caf\\xe9 ... \\u0416 \\u4e16\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user: run as root")
@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_a_user_without_a_home_is_told_what_to_set(home: dict[str, str]) -> None:
    program = (
        "import os, sys; from provisioner.faults.report import run_reported; from provisioner.paths import state_dir\n"
        "os.setgid(54321); os.setuid(54321)\n"
        "sys.exit(run_reported('prog', state_dir))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=home)

    assert done.returncode == 1
    assert done.stderr == (
        "prog: cannot find the home of uid 54321: HOME is no absolute path, and passwd(5) names none; "
        f"set {HOME} to an empty folder of this user\n"
    )
