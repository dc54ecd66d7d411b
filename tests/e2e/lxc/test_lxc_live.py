"""LXC: what its sandboxes leave in the root file system that they share, and those in a user namespace.

The ranges of subordinate ids that newuidmap(1) asks for are bound over the host's in a mount namespace of the session's
own, so that nothing of the host is changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from account import with_ranges
from residue import ARGS, Home

from pytest_isolation.session.state import STATE

if TYPE_CHECKING:
    from pytest_isolation.live.sandbox import LiveView

UNPRIVILEGED = "lxc-unprivileged"
SUITE = "pytest_isolation.suite"
NEEDED = {
    "lxc-start": "apt-get install --no-install-recommends lxc",
    "newuidmap": "apt-get install uidmap",
    "unshare": "apt-get install util-linux",
}


def tree(rootfs: Path) -> dict[str, tuple[int, int, int]]:
    """Return each path below a folder with its mode, owner and, of a file, size."""
    found = {}
    for path in [rootfs, *rootfs.rglob("*")]:
        status = path.lstat()
        found[str(path)] = (status.st_mode, status.st_uid, 0 if path.is_dir() else status.st_size)
    return found


def test_sandboxes_leave_the_root_that_they_share_as_it_was(sandbox: LiveView, request: pytest.FixtureRequest) -> None:
    if sandbox.live.runtime.name != "lxc":
        pytest.skip("for LXC, which could write to the folder: run with --isolation-runtime=lxc")
    from provisioner.sandboxes.spec import Spec

    sandboxes = request.config.stash[STATE].sandboxes
    rootfs = Path(str(sandboxes.hosts.local.values(sandbox.live.runtime)["rootfs"]))
    before = tree(rootfs)

    further = sandboxes.create(sandbox.measurements.target, Spec(image="shell"))
    shared = Path(str(sandboxes.hosts.local.values(sandbox.live.runtime, "shell")["rootfs"]))
    further.exec_facts()
    written = further.request("run", "/bin/sh", "-c", "echo mine >/canary && mv /canary /probe")
    during = tree(rootfs)
    further.close()

    assert written.ended == "exit 0", "it has a root of its own to write to"
    assert (shared / "probe").read_bytes() == sandboxes.hosts.local.probe.path.read_bytes()
    assert during == before
    assert tree(rootfs) == before


@pytest.fixture
def home() -> Iterator[Home]:
    if os.geteuid() != 0:
        pytest.skip("makes user namespaces for LXC and binds over /etc/subuid: run as root")
    for program, mend in NEEDED.items():
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: {mend}")
    made = Home(UNPRIVILEGED)
    yield made
    made.remove()


def session(home: Home, ranges: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on LXC in a user namespace, where /etc/subuid and /etc/subgid hold `ranges`."""
    pytest_argv = [sys.executable, "-m", "pytest", *ARGS, f"--rootdir={home.path}", "--isolation=container"]
    return subprocess.run(
        with_ranges(home.path, ranges, [*pytest_argv, *args]),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        cwd=home.path,
        env=home.environment,
    )


def test_in_a_user_namespace_the_suite_is_as_documented(home: Home) -> None:
    # a load on the processors says nothing on a machine that is busy with other tests
    args = (f"--isolation-runtime={UNPRIVILEGED}", "--pyargs", SUITE, "-k", "not cpu_limit")
    done = session(home, "root:100000:65536\n", *args)

    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert done.returncode == 0, failed or done.stdout
    assert "No findings" in done.stdout
    assert home.left() == []


def test_a_root_without_a_range_is_told_how_to_get_one(home: Home) -> None:
    done = session(home, "someone:100000:65536\n", f"--isolation-runtime={UNPRIVILEGED}", "test_it_answers.py")

    assert done.returncode == 4, done.stdout
    assert "root has no range of subordinate ids" in done.stdout + done.stderr
    assert "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 root" in done.stdout + done.stderr
    assert home.left() == []
