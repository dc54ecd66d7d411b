"""macOS is a client: everything imports there, records are judged, and what needs Linux says so in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sample_records import archived, blank

TESTS = Path(__file__).parents[1]
IMPORT_ALL = """
import importlib, pkgutil
count = 0
for package in ("provisioner", "pytest_isolation"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            count += 1
print(count)
"""
TESTS_OF_A_USER = """
import pytest
def test_sandbox(sandbox):
    assert sandbox
def test_plain():
    assert True
"""
NOT_HERE = "this system is darwin, and sandboxes are Linux's; run it on a Linux host"
PYTEST = ("pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir=.", "test_user.py")


def on_macos(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python that looks like macOS's; the folder is its home and its working folder."""
    env = {**os.environ, "PYTHONPATH": str(TESTS), "PYTEST_ISOLATION_HOME": str(folder), "COLUMNS": "200"}
    env = {name: value for name, value in env.items() if not name.startswith(("PYTEST_ADDOPTS", "PYTEST_XDIST"))}
    argv = (sys.executable, "-m", "macos", *argv)
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, timeout=180)


def test_every_module_is_imported(tmp_path: Path) -> None:
    done = on_macos(tmp_path, "-c", IMPORT_ALL)

    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 400


def test_tests_are_collected_and_skipped_without_an_option(tmp_path: Path) -> None:
    (tmp_path / "test_user.py").write_text(TESTS_OF_A_USER)

    done = on_macos(tmp_path, *PYTEST)

    assert done.returncode == 0, done.stderr
    assert "1 passed, 1 skipped" in done.stdout


def test_an_archived_record_is_judged_and_reported(tmp_path: Path) -> None:
    record = archived(blank(), tmp_path / "facts")

    done = on_macos(tmp_path, "pytest_isolation", "judge", str(record), "--report=report")

    assert done.returncode == 1, done.stderr  # nothing was observed in this record
    assert {path.name for path in (tmp_path / "report").iterdir()} >= {"index.html", "results.json"}
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["checks", "known"])
def test_what_is_bundled_is_listed(command: str, tmp_path: Path) -> None:
    done = on_macos(tmp_path, "pytest_isolation", command)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) > 40


@pytest.mark.parametrize("words", [("status",), ("prune",), ("up", "web"), ("doctor",), ("box", "list"), ("build",)])
def test_a_command_that_needs_linux_says_so_in_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    done = on_macos(tmp_path, "provisioner", *words)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"provisioner: cannot run 'provisioner {words[0]}': {NOT_HERE}; "
        "`isolation judge`, `report` and `checks` work here\n"
    )


@pytest.mark.parametrize("words", [("--help",), ("up", "--help"), ("box", "--help"), ("--version",)])
def test_help_is_shown_everywhere(words: tuple[str, ...], tmp_path: Path) -> None:
    done = on_macos(tmp_path, "provisioner", *words)

    assert (done.returncode, done.stderr) == (0, "")


def test_sandboxes_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "test_user.py").write_text(TESTS_OF_A_USER)

    done = on_macos(tmp_path, *PYTEST, "--isolation=container")

    assert done.returncode == 4
    assert NOT_HERE in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
