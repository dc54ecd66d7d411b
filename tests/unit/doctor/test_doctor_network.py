"""The doctor's look at the network of a test; the network itself is made in tests/e2e/network."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes_doctor import FakeSystem, ask

from provisioner.doctor.finding import State
from provisioner.doctor.looks import network
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.networks.world import NEEDS
from provisioner.paths import HOME

ALL = dict.fromkeys(NEEDS, "")


def test_a_missing_program_is_named_with_its_package() -> None:
    seen = ask("host", "networks", FakeSystem(programs={"nsenter": "", "sysctl": ""}, root=False))

    assert (seen.state, seen.seen) == (State.LIMITED, "not installed: iproute2, iptables")
    assert seen.mend == "sudo apt-get install iproute2 iptables"
    assert "--isolation-network" in seen.cost


def test_only_root_makes_them() -> None:
    seen = ask("host", "networks", FakeSystem(programs=ALL, root=False))

    assert (seen.state, seen.note) == (State.LIMITED, "run the tests as root")


def test_a_network_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Run) -> None:
        raise IsolationError("cannot make network namespace 'x': Operation not permitted", "run where root has it")

    monkeypatch.setenv(HOME, str(tmp_path))
    monkeypatch.setattr(network, "World", refuse)
    with Run.start() as run:
        seen = ask("host", "networks", FakeSystem(programs=ALL, root=True, run=run))

    assert (seen.state, seen.mend) == (State.LACKING, "run where root has it")
    assert seen.seen == "cannot make network namespace 'x': Operation not permitted"
