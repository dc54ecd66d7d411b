"""The provider libvirt: what a machine's state allows, without a guest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.machines.box.build import Box
from provisioner.machines.lab import MachineSpec
from provisioner.machines.vagrant.machine import VagrantMachine
from provisioner.machines.vagrant.state import VagrantState, load_state, save_state, state_file, used_boxes


def test_a_vagrant_machine_that_was_never_made_is_absent(tmp_path: Path, run: Run, box: Box) -> None:
    machine = VagrantMachine(MachineSpec(name="web", driver="qemu"), box, tmp_path / "lab", run)

    assert (machine.status(), machine.snapshots(), machine.vmm_pid(), machine.console()) == ("absent", [], None, "")
    machine.down()
    assert not machine.restore("nothing")
    with pytest.raises(IsolationError, match="cannot reach machine 'web': it does not run; provisioner up web"):
        machine.ssh()
    with pytest.raises(IsolationError, match="cannot snapshot machine 'web': it does not run"):
        machine.snapshot("now")
    with pytest.raises(IsolationError, match=r"cannot name a snapshot '\.\./x'"):
        machine.snapshot("../x")


def test_a_machine_without_its_box_is_not_started(tmp_path: Path, run: Run) -> None:
    machine = VagrantMachine(MachineSpec(name="web", driver="qemu"), None, tmp_path / "lab", run)

    with pytest.raises(IsolationError, match="cannot start machine 'web': its box is not built; provisioner box build"):
        machine.up()


def test_a_process_outside_the_labs_network_is_not_the_machine(tmp_path: Path, run: Run, box: Box) -> None:
    machine = VagrantMachine(MachineSpec(name="web", driver="qemu"), box, tmp_path / "lab", run)
    folder = tmp_path / "lab" / "libvirt" / "run" / "qemu"
    folder.mkdir(parents=True)
    (folder / "isolation_web.pid").write_text(str(os.getpid()))  # of before a reboot

    assert machine.vmm_pid() is None


def test_an_invalid_vagrant_state_is_none(tmp_path: Path) -> None:
    save_state(tmp_path, "web", VagrantState("a", "b", "c", "d"))
    save_state(tmp_path, "db", VagrantState("d", "b", "c", ""))
    state_file(tmp_path, "x").write_text("[]")
    state_file(tmp_path, "y").write_text('{"box": "a"}')

    assert load_state(tmp_path, "web") == VagrantState("a", "b", "c", "d")
    assert [load_state(tmp_path, name) for name in ("x", "y", "z")] == [None] * 3
    assert sorted(used_boxes(tmp_path)) == ["a", "d"]
