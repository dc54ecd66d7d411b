"""What the wrappers around a sandbox do: each is survived, or named in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from residue import ARGS, Home

BWRAP = "bwrap --unshare-all --ro-bind / / --dev /dev --proc /proc"


@pytest.fixture
def home() -> Iterator[Home]:
    made = Home("unshare")
    yield made
    made.remove()


def own_test(home: Home, command: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run one test of a user's own in the sandbox that a command line starts."""
    (home.path / "test_own.py").write_text("def test_it(sandbox):\n    assert sandbox.system.kernel.release\n")
    argv = [sys.executable, "-m", "pytest", *ARGS, f"--rootdir={home.path}", f"--isolation-run=box={command}", *args]
    return subprocess.run(
        [*argv, "test_own.py"],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=home.path,
        env=home.environment,
        stdin=subprocess.DEVNULL,
    )


WANTS_A_TERMINAL = 'test -t 0 -a -t 1 || { echo "standard input is not a terminal" >&2; exit 3; }'


@pytest.mark.parametrize(
    "wrapper",
    [
        "sh -c 'echo a banner; echo more >&2; exec {probe}'",
        "sh -c 'exec 2>&1; echo merged >&2; exec {probe}'",
        "sh -c 'cd /; exec env -i {probe}'",
        "sh -c '{probe}; exit 7'",
        f"sh -c '{WANTS_A_TERMINAL}; exec {{probe-tty}}'",
        "script -qec 'exec {probe}' /dev/null",
    ],
    ids=["banner", "merged", "moves and empties", "stays", "wants a terminal", "makes a terminal"],
)
def test_what_wrappers_do_is_survived(home: Home, wrapper: str) -> None:
    done = own_test(home, f"{BWRAP} -- {wrapper}")

    assert done.returncode == 0, done.stdout + done.stderr
    assert home.left() == []


@pytest.mark.parametrize(
    ("wrapper", "told"),
    [
        ("env A={{x}} {probe-file} serve", "cannot start"),
        (f"sh -c '{WANTS_A_TERMINAL}; exec {{probe}}'", "its command wants a terminal; write {probe-tty}"),
        (
            "sh -c 'printf \"Continue? [y/N] \"; read x; exec {probe}'",
            "did not answer 'hello' in time: Continue? [y/N]",
        ),
        (
            "sh -c '(sleep 0.5; echo a late word) & exec {probe}'",
            "sent bytes outside a frame: 'a late word'",
        ),
    ],
    ids=["says no nonce", "wants a terminal", "asks", "prints later"],
)
def test_what_wrappers_do_is_named_in_one_line(home: Home, wrapper: str, told: str) -> None:
    quick = () if "Go on" not in wrapper else ("-o", "isolation_timeout_scale=0.2")
    if "late" in wrapper:  # it must come while the sandbox is asked
        (home.path / "conftest.py").write_text("import time\ndef pytest_runtest_call():\n    time.sleep(2)\n")
    done = own_test(home, f"{BWRAP} -- {wrapper}", *quick)

    assert done.returncode in (1, 4), done.stdout + done.stderr
    assert told in done.stdout + done.stderr
    assert home.left() == []


def test_a_daemon_that_leaves_its_session_ends_with_the_command(home: Home) -> None:
    away = f"setsid sleep 4711.{os.getpid()}"
    start = f'({away} >/dev/null 2>&1 </dev/null &); sh -c "{away}1 >/dev/null 2>&1 &"; exec {{probe}}'
    done = own_test(home, f"sh -c '{start}'")
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]

    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in lines if f"4711.{os.getpid()}".encode() in line] == []


def test_the_probe_comes_by_a_descriptor_and_by_a_copy(home: Home) -> None:
    folder = home.path / "root"
    folder.mkdir()
    (folder / "proc").mkdir()
    by_descriptor = own_test(home, f"{BWRAP} -- {{probe-fd}}")
    by_copy = own_test(home, f"unshare --user --map-root-user --root={folder} {{probe-copy:{folder}=/}}")

    assert by_descriptor.returncode == 0, by_descriptor.stdout + by_descriptor.stderr
    assert by_copy.returncode == 0, by_copy.stdout + by_copy.stderr
    assert [path.name for path in folder.iterdir()] == ["proc"]
