"""The provider qemu: what a machine's state allows, without a guest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.machines.box.build import Box
from provisioner.machines.daemonize import end_detached, find_running, start_detached
from provisioner.machines.lab import MachineSpec
from provisioner.machines.qemu.disk import Disk, identify
from provisioner.machines.qemu.machine import PID_FILE, QemuMachine
from provisioner.machines.qemu.state import QemuState


@pytest.fixture
def machine(tmp_path: Path, box: Box, run: Run) -> QemuMachine:
    return QemuMachine(MachineSpec(name="debian12", driver="qemu"), box, tmp_path / "machine", run)


@pytest.fixture
def running(machine: QemuMachine, run: Run) -> Iterator[QemuMachine]:
    """A machine with an empty disk; its QEMU is sleep(1)."""
    assert machine.box is not None
    machine.directory.mkdir()
    start_detached(["sleep", "600"], machine.directory / "log", machine.directory / PID_FILE, run)
    create_empty_disk(machine._disk, machine.box)
    yield machine
    end_detached(machine.directory / PID_FILE)


def create_empty_disk(disk: Disk, box: Box) -> None:
    disk.folder.mkdir()
    disk.path.touch()
    disk.save_state(QemuState(box=box.hash, base=identify(box.disk)))


def test_a_machine_that_was_never_made_is_absent(machine: QemuMachine) -> None:
    assert (machine.status(), machine.snapshots(), machine.vmm_pid(), machine.console()) == ("absent", [], None, "")
    machine.down()
    with pytest.raises(IsolationError, match="does not run; provisioner up debian12"):
        machine.ssh()


def test_a_machine_without_its_box_can_be_stopped_but_not_started(machine: QemuMachine) -> None:
    bare = QemuMachine(machine.spec, None, machine.directory, machine._run)

    assert (bare.status(), bare.snapshots()) == ("absent", [])
    bare.down()
    with pytest.raises(IsolationError, match="cannot start machine 'debian12': its box is not built; provisioner up"):
        bare.up()


def test_a_running_machine_without_valid_state_has_no_address(running: QemuMachine) -> None:
    (running.directory / "machine.json").write_bytes(b"\xff{garbage")

    with pytest.raises(IsolationError, match="it does not run"):
        running.ssh()


def test_a_machine_that_starts_has_no_address_yet(running: QemuMachine) -> None:
    with pytest.raises(IsolationError, match="it does not run"):
        running.ssh()


def test_a_machine_that_runs_from_an_old_box_has_no_address(running: QemuMachine) -> None:
    assert running.box is not None
    running._disk.save_state(QemuState(box="other", base=identify(running.box.disk), port=2222))

    with pytest.raises(IsolationError, match="a box that is not its box any more; provisioner up debian12 starts"):
        running.ssh()


def test_a_snapshots_name_cannot_be_a_command(machine: QemuMachine) -> None:
    with pytest.raises(IsolationError, match="cannot name a snapshot 'a b'"):
        machine._tag("a b")


def test_the_output_of_a_qemu_that_does_not_start_is_quoted(
    machine: QemuMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioner.machines.qemu.command.find_program", lambda name: "/bin/false")
    monkeypatch.setattr(
        "provisioner.machines.qemu.machine.render_command",
        lambda *args: ["sh", "-c", "echo no such option >&2; exit 1"],
    )
    monkeypatch.setattr(Disk, "recreate", create_empty_disk)

    with pytest.raises(IsolationError, match="cannot start machine 'debian12': QEMU: no such option"):
        machine.up()
    assert find_running(machine.directory / PID_FILE) is None
