"""What others do to a run: a prune beside it, its sandbox removed, its worker killed, leftovers of older runs."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time

from faults.case import needs, needs_root, wide
from faults.home import Home, session
from faults.phases import ANSWERS, WAITS
from faults.promise import Promise
from faults.world import World, difference
from provisioner.deadlines import deadline
from provisioner.linux.mounts import read_mounts

pytestmark = needs_root
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
    home.write_test(WAITS)
    before = World.now(home)

    with home.start(session("unshare")) as program:
        program.await_(lambda: home.reached("tests"), "its test waits")
        for _ in range(3):
            assert home.prune() == "nothing was left\n"
        home.mark("struck")
        while program.process.poll() is None:
            assert home.prune() == "nothing was left\n"
        program.finish()

    assert Promise({0}, results=True).broken(home, program, before) == []


@wide
def test_a_sandbox_that_someone_else_removes_is_made_again(home: Home) -> None:
    home.write_test(f"{WAITS}    sandbox.live.inside()\n")
    before = World.now(home)

    with home.start(session("runc")) as program:
        program.await_(lambda: home.reached("tests"), "its test waits")
        state = home.path / "state" / "runc" / "run"
        for name in [path.name for path in state.iterdir()]:  # its own, and the peer
            subprocess.run(["runc", "--root", str(state), "delete", "--force", name], check=True, timeout=60)
        home.mark("struck")
        program.finish()

    assert Promise({0}, results=True).broken(home, program, before) == []


@wide
def test_a_killed_worker_is_told_and_the_results_of_all_targets_are_kept(home: Home) -> None:
    home.write_test(ON_WORKERS)
    before = World.now(home)

    with home.start(session("unshare,runc", "-n", "2")) as program:
        program.await_(lambda: home.reached("worker"), "a worker waits")
        time.sleep(1)
        os.kill(int((home.marks / "worker").read_text()), signal.SIGKILL)
        program.finish()

    assert Promise({1}, results=True).broken(home, program, before) == []
    cells = json.loads((home.work / "report" / "results.json").read_text())["cells"]
    assert [cell["target"] for cell in cells] == ["runc", "unshare"]
    assert "crashed" in program.text


@wide
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
@needs("podman")
def test_a_killed_run_whose_runtime_hangs_does_not_slow_the_next(home: Home) -> None:
    home.write_test(ANSWERS)
    with home.start(session("unshare")) as program:
        program.finish()
        normal = program.seconds
    home.stand_in("podman", "", "hang")  # it hangs whatever it is asked
    with home.start(session("podman")) as program:
        program.await_(lambda: home.reached("podman"), "podman hangs")
        program.send("KILL")
        program.finish(15)
    home.plant_journal(
        [{"kind": "command", "values": [str(home.path / "bin" / "podman"), "rm", f"isolation-{n}"]} for n in range(5)]
    )
    with home.start(session("unshare")) as program:
        program.finish(2 * (normal + deadline("undo.start")))  # alone on a machine: one second more than normal
        text = program.text

    assert program.process.returncode == 0, text
    assert text.count("a killed run's things stay: ") == 1
    assert text.index(" passed in ") < text.index("a killed run's things stay: ")
    assert "no end before the session's end" in text or f"no end after {deadline('undo.start'):.0f} s" in text
