"""Files of the user who starts a sandbox, in a home folder and a working tree of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from residue import Home
from test_jails_live import PYTHON, SANDLOCK, suite

CHECKS = ("mnt.user_secrets", "mnt.user_startup")
BWRAP = "bwrap --unshare-all"


@pytest.fixture
def home() -> Iterator[Home]:
    """A home with a key, a start-up file and a working tree; the session runs in the tree."""
    made = Home("unshare")
    user = made.path / "user"
    for name in (".ssh/id", ".bashrc"):
        (user / name).parent.mkdir(parents=True, exist_ok=True)
        (user / name).write_text("not a key\n")
    (made.path / ".git").mkdir()
    (made.path / ".git" / "config").write_text("")
    made.environment["HOME"] = str(user)
    yield made
    made.remove()


def judged(home: Home, command: str) -> dict[str, tuple[str, str]]:
    """Return verdict and reason of both checks in the sandbox that a command line starts."""
    done, cells = suite(home, f"--isolation-run=box={command}")
    assert done.returncode == 0, done.stdout + done.stderr
    return {check: (cells[check, "run:box"]["verdict"], cells[check, "run:box"]["reason"]) for check in CHECKS}


def test_a_root_that_can_be_written_opens_both(home: Home) -> None:
    found = judged(home, f"{BWRAP} --bind / / --dev /dev --proc /proc -- {{probe}}")

    assert found["mnt.user_secrets"] == ("open", f"it reads {home.path}/user/.ssh of the user who starts it")
    assert found["mnt.user_startup"][0] == "open"
    assert f"{home.path}/user/.bashrc, {home.path}/.git/config" in found["mnt.user_startup"][1]


def test_a_root_that_is_read_only_shows_the_keys(home: Home) -> None:
    found = judged(home, f"{BWRAP} --ro-bind / / --dev /dev --proc /proc -- {{probe}}")

    assert [found[check][0] for check in CHECKS] == ["open", "holds"]


def test_an_empty_home_and_a_read_only_tree_hold(home: Home) -> None:
    found = judged(home, f"{BWRAP} --ro-bind / / --dev /dev --proc /proc --tmpfs {home.path}/user -- {{probe}}")

    assert [found[check][0] for check in CHECKS] == ["holds", "holds"]


def test_landlock_is_seen_by_opening(home: Home) -> None:
    if not Path(PYTHON, "bin/sandlock-mcp").exists():
        pytest.skip("sandlock is not installed: script/jails installs it")
    found = judged(home, f"{SANDLOCK} {{probe}}")

    assert [found[check][0] for check in CHECKS] == ["open", "holds"]
    assert (home.path / "user" / ".ssh" / "id").read_text() == "not a key\n"
