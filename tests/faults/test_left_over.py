"""A program is killed while its child hangs: prune leaves no process and no file, and the next run is not slowed."""

from __future__ import annotations

import os
import shutil

import pytest

from faults.case import wide
from faults.home import Home, session
from faults.phases import ANSWERS, PHASES
from faults.world import World, difference
from provisioner.deadlines import deadline

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="runtimes need root")
PODMAN = pytest.mark.skipif(shutil.which("podman") is None, reason="needs podman")


@pytest.mark.parametrize(
    "name",
    [
        "build",
        "create/unshare",
        pytest.param("import/podman", marks=PODMAN),
        pytest.param("provisioner build", marks=wide),
        pytest.param("create/podman", marks=[wide, PODMAN]),
    ],
)
def test_nothing_is_left_of_a_killed_run_whose_child_hangs(name: str) -> None:
    phase = PHASES[name]
    home = Home(phase.built)
    try:
        phase.prepare(home)
        before = World.now(home)
        with home.start(phase.argv(), dict(phase.env)) as program:
            program.await_(lambda: phase.is_now(home, program), name)
            program.send("KILL")
            program.finish(15)
        home.release()
        home.prune()

        assert difference(before, World.now(home)) == []
    finally:
        home.close()


@wide
@PODMAN
def test_killed_run_whose_runtime_hangs_does_not_slow_the_next(home: Home) -> None:
    home.write_test(ANSWERS)
    with home.start(session("unshare")) as program:
        program.finish(120)
        normal = program.seconds
    home.stand_in("podman", "", "hang")  # it hangs whatever it is asked
    with home.start(session("podman")) as program:
        program.await_(lambda: home.reached("podman"), "podman hangs", 90)
        program.send("KILL")
        program.finish(15)
    home.plant_journal(
        [{"kind": "command", "values": [str(home.path / "bin" / "podman"), "rm", f"isolation-{n}"]} for n in range(5)]
    )
    with home.start(session("unshare")) as program:
        program.finish(2 * (normal + deadline("undo.start")))  # alone on a machine: 1.3 of normal and one deadline
        text = program.text

    assert program.process.returncode == 0, text
    assert text.count("a killed run's things stay: ") == 1
    assert f"no end after {deadline('undo.start'):.0f} s" in text
