"""Whose a process is that shares the cgroup of a sandbox (process/members.c, base/own_cgroups.c)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_probe import as_root, ask, wait_until

from provisioner.linux.cgroups import Cgroups, cgroup_mode, delete_cgroup, make_cgroups

OWN_PIDS = ("unshare", "--pid", "--mount", "--kill-child", "--fork")
SLEEP = ("sleep", "61")


@pytest.fixture
def run() -> Iterator[str]:
    """The id of a run of the test's own, below whose cgroup the test makes others."""
    if cgroup_mode() not in ("v1", "hybrid"):
        pytest.skip("two sandboxes in one cgroup and one below it: version 1 alone has them (cgroup-v2.rst)")
    run = f"test-{uuid.uuid4().hex[:8]}"
    yield run
    for top in Path("/sys/fs/cgroup").iterdir():
        delete_cgroup(top / f"isolation-{run}")


@contextlib.contextmanager
def started(probe: Path, cgroups: Cgroups, *argv: str) -> Iterator[list[int]]:
    """
    Start a command in cgroups; yields the pids of the `sleep 61` that it starts, the oldest first.

    It waits for as many as there are words "61" in the command.
    """
    folders = [word for folder in cgroups.dirs for word in ("--cgroup", str(folder))]
    with subprocess.Popen([str(probe), "launch", *folders, "--", *argv], start_new_session=True) as process:
        try:
            wait_until(lambda: len(sleeping(process.pid)) == argv.count("61"))
            yield sleeping(process.pid)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def sleeping(session: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == session and (folder / "cmdline").read_bytes() == b"sleep\x0061\0":
                found.append((int(stat[19]), int(folder.name)))
    return [pid for _, pid in sorted(found)]


def members(probe: Path, pid: int) -> set[int]:
    """Return the further tasks of the sandbox, those with another state than its first process."""
    tasks = ask(str(probe), "outside", "n1", f"pid:{pid}").tasks
    return {task.process for task in tasks or ()}


@as_root
def test_another_sandbox_in_its_cgroup_is_not_its_own(probe: Path, run: str) -> None:
    cgroups = make_cgroups(run, "both", [])
    weaker = ("setpriv", "--no-new-privs", *OWN_PIDS)
    with started(probe, cgroups, *weaker, *SLEEP) as own, started(probe, cgroups, *OWN_PIDS, *SLEEP) as other:
        assert members(probe, own[0]) == members(probe, other[0]) == set()


@as_root
def test_what_keeps_another_sandbox_in_its_cgroup_is_not_its_own(probe: Path, run: str) -> None:
    """A sandbox in the cgroup above others, as after a move: their monitors are there too, as root on the host."""
    above, below = make_cgroups(run, "above", []), make_cgroups(run, "above-other", [])
    weaker = ("setpriv", "--no-new-privs", *OWN_PIDS)
    with started(probe, above, *weaker, *SLEEP) as own, started(probe, below, *OWN_PIDS, *SLEEP):
        for folder in above.dirs:
            (folder.parent / "cgroup.procs").write_text(str(own[0]))

        assert members(probe, own[0]) == set()


@as_root
def test_a_process_of_the_host_in_its_cgroup_is_its_own(probe: Path, run: str) -> None:
    cgroups = make_cgroups(run, "box", [])
    with (
        started(probe, cgroups, *OWN_PIDS, *SLEEP) as own,
        started(probe, cgroups, "setpriv", "--no-new-privs", *SLEEP) as other,
    ):
        assert members(probe, own[0]) == set(other)


@as_root
def test_a_sandbox_that_it_made_itself_is_its_own(probe: Path, run: str) -> None:
    cgroups = make_cgroups(run, "box", [])
    nested = f"setpriv --no-new-privs {' '.join(OWN_PIDS)} sleep 61 & exec sleep 61"
    with started(probe, cgroups, *OWN_PIDS, "sh", "-c", nested, "61", "61") as found:
        first = min(found, key=lambda pid: depth(pid))
        assert members(probe, first) == set(found) - {first} | starters(found, first)


def depth(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("NSpid"))
    return len(line.split())


def starters(found: list[int], first: int) -> set[int]:
    """Return the parents of the nested ones: `unshare` in the first one's own pid namespace."""
    parents = {int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in found}
    return {pid for pid in parents if depth(pid) == depth(first)}
