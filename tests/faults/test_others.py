"""What others do to a run: a prune beside it, its sandbox removed, its worker killed, leftovers of older runs."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time

import pytest

from faults.case import wide
from faults.home import Home, session
from faults.phases import ANSWERS, WAITS
from faults.promise import Promise
from faults.world import World, difference
from provisioner.linux.mounts import read_mounts

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="runs sandboxes as root")
BRIEF = WAITS.replace("time.sleep(60)", "time.sleep(6)")
ON_WORKERS = """
import os, time
from pathlib import Path

def test_it_waits(sandbox, isolation_target):
    mark = Path(os.environ["MARKS"], "worker")
    if isolation_target == "runc" and not mark.exists():
        mark.write_text(str(os.getpid()))
        time.sleep(60)
    assert sandbox.namespaces.pid is not None
"""


def test_a_prune_beside_a_run_takes_nothing_of_it(home: Home) -> None:
    home.write_test(BRIEF)
    before = World.now(home)

    with home.start(session("unshare")) as program:
        program.await_(lambda: home.reached("tests"), "its test waits")
        while program.process.poll() is None:
            assert home.prune() == "nothing was left\n"
        program.finish(60)

    assert Promise({0}, results=True).broken(home, program, before) == []


def test_a_sandbox_that_someone_else_removes_is_made_again(home: Home) -> None:
    home.write_test(WAITS.replace("time.sleep(60)", "time.sleep(3); sandbox.live.inside()"))
    before = World.now(home)

    with home.start(session("runc")) as program:
        program.await_(lambda: home.reached("tests"), "its test waits")
        state = home.path / "state" / "runc" / "run"
        for name in [path.name for path in state.iterdir()]:  # its own, and the peer
            subprocess.run(["runc", "--root", str(state), "delete", "--force", name], check=True, timeout=60)
        program.finish(90)

    assert Promise({0}, results=True).broken(home, program, before) == []


@wide
def test_a_killed_worker_is_told_and_the_results_of_all_targets_are_kept(home: Home) -> None:
    home.write_test(ON_WORKERS)
    before = World.now(home)

    with home.start(session("unshare,runc", "-n", "2")) as program:
        program.await_(lambda: home.reached("worker"), "a worker waits", 90)
        time.sleep(1)
        os.kill(int((home.marks / "worker").read_text()), signal.SIGKILL)
        program.finish(90)

    assert Promise({1}, results=True).broken(home, program, before) == []
    cells = json.loads((home.work / "report" / "results.json").read_text())["cells"]
    assert [cell["target"] for cell in cells] == ["runc", "unshare"]
    assert "crashed" in program.text


def test_what_an_older_run_left_is_removed_and_a_new_run_is_not_disturbed(home: Home) -> None:
    run = secrets.token_hex(4)
    home.ids.add(run)
    cgroups = [mount.target / f"isolation-{run}" for mount in read_mounts() if mount.fstype.startswith("cgroup")]
    folder = home.path / "run" / run
    folder.mkdir(parents=True)
    left = subprocess.Popen(["sleep", "3600"], env={**os.environ, "PYTEST_ISOLATION_HOME": str(home.path)})
    for cgroup in cgroups:
        cgroup.mkdir()
        if cgroup.parent.name not in ("cpuset",):  # it takes no process before it has processors
            (cgroup / "cgroup.procs").write_text(str(left.pid))
    entries = [{"kind": "path", "values": [str(folder)]}]
    entries += [{"kind": "cgroup", "values": [str(cgroup)]} for cgroup in cgroups]
    home.plant_journal(entries, run)
    home.write_test(ANSWERS)

    try:
        assert any(line.startswith("cgroup") for line in World.now(home).lines)
        with home.start(session("unshare")) as program:
            program.finish(60)
        assert program.broken({0}) == []
        assert left.wait(5) == -signal.SIGKILL
        assert difference(World(frozenset()), World.now(home)) == []
    finally:
        left.kill()
        left.wait()
        for cgroup in cgroups:
            if cgroup.exists():
                cgroup.rmdir()


@wide
@pytest.mark.parametrize("fault", ["damaged", "missing", "not executable", "a folder", "noexec"])
def test_a_probe_that_cannot_be_run_from_the_cache_is_built_again_or_told(home: Home, fault: str) -> None:
    home.write_test(ANSWERS)
    (probe,) = (home.path / "cache").glob("probe-*/probe")
    if fault == "noexec":
        home.mount_tmpfs("cache", "size=64m,noexec")
    elif fault == "damaged":
        probe.write_bytes(probe.read_bytes()[:-1] + b"x")
    elif fault == "not executable":
        probe.chmod(0o644)
    else:
        probe.unlink()
        if fault == "a folder":
            probe.mkdir()
    before = World.now(home)

    with home.start(session("unshare"), {"PYTEST_ISOLATION_CC": "musl-gcc"}) as program:
        program.finish(90)

    assert Promise({0, 4, 5} if fault in ("noexec", "a folder") else {0}).broken(home, program, before) == []
    assert program.process.returncode == 0 or "cannot" in program.text
