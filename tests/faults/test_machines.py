"""The commands for machines, struck at each moment: nothing is left, and the next command works."""

from __future__ import annotations

import os
from functools import partial

import pytest
from e2e.live_box import REASON, UNAVAILABLE

from faults.case import wide
from faults.home import Home, provisioner
from faults.machines import MOMENTS, PATIENCE, prepare, run
from faults.promise import Promise
from faults.strikes import STRIKES
from faults.table import STATUSES
from faults.world import World

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="builds boxes and starts machines of root: run as root"),
    pytest.mark.skipif(UNAVAILABLE, reason=REASON),
    wide,
]
STRUCK = ("INT", "KILL", "INT INT", "TERM", "HUP")


@pytest.mark.parametrize("strike", STRUCK)
def test_a_machine_is_usable_after_each_command_that_is_struck(strike: str, home: Home) -> None:
    if prepare(home) is None:
        pytest.skip("its box is not built: provisioner box build")
    # a command that has done its work meanwhile ends well; a killed one leaves a hypervisor to the prune
    killed = strike == "KILL"
    promise = Promise({0, *STATUSES[strike]}, 90.0, clean=not killed, orphans=killed, prune=PATIENCE)
    for moment in MOMENTS:
        before = World.now(home)
        with home.start(provisioner(*moment.words)) as program:
            program.await_(partial(moment.is_now, home, program), moment.name, PATIENCE)
            STRIKES[strike](home, program)
            program.finish(promise.seconds)
        assert (moment.name, promise.broken(home, program, before)) == (moment.name, [])
        for words in moment.works:
            run(home, words)
        print(f"{moment.name}, {strike}: holds")


@pytest.mark.parametrize("strike", STRUCK)
def test_a_struck_build_of_a_box_leaves_nothing(strike: str, home: Home) -> None:
    home.stand_in("mmdebstrap", " --mode=root ", "hang")
    before = World.now(home)
    with home.start(provisioner("box", "build", "debian12")) as program:
        program.await_(lambda: home.reached("mmdebstrap"), "mmdebstrap hangs")
        STRIKES[strike](home, program)
        program.finish(15)
    promise = Promise(STATUSES[strike], clean=strike != "KILL", orphans=True)

    assert promise.broken(home, program, before) == []
