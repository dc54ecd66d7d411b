"""The provider qemu with a real guest: start, snapshot, restore, stop, and interrupted starts."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from faults.racer import Arena
from live_box import REASON, UNAVAILABLE, Spec, in_machine

from provisioner.errors import IsolationError
from provisioner.journal.prune import prune
from provisioner.journal.run import Run
from provisioner.machines.box.build import build_box
from provisioner.machines.daemonize import find_running
from provisioner.machines.qemu.machine import PID_FILE, QemuMachine
from provisioner.paths import run_dir

pytestmark = pytest.mark.skipif(UNAVAILABLE, reason=REASON)


@pytest.fixture(scope="module")
def machine() -> Iterator[QemuMachine]:
    """One machine for all tests here; not below tmp_path, through which the unprivileged QEMU cannot pass."""
    with Run.start() as run:
        folder = run_dir() / f"machine-{secrets.token_hex(4)}"
        made = QemuMachine(Spec(f"test-{os.getpid()}"), build_box(), folder, run)
        try:
            yield made
        finally:
            made.down(destroy=True)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def up(machine: QemuMachine) -> QemuMachine:
    machine.up()
    return machine


def test_the_guest_boots_completely(up: QemuMachine) -> None:
    text = in_machine(up.ssh(), "systemctl is-system-running --wait; hostname; cat /etc/machine-id; findmnt -no FSTYPE /sys/fs/cgroup; grep -c . /etc/resolv.conf; findmnt -no FSTYPE /sys/kernel/debug")  # fmt: skip  # noqa: E501
    state, hostname, machine_id, cgroup, resolvers, debug = text.split()

    assert (state, hostname, cgroup, resolvers, debug) == ("running", up.name, "cgroup2", "1", "debugfs")
    assert re.fullmatch("[0-9a-f]{32}", machine_id)


def test_a_second_up_changes_nothing(up: QemuMachine) -> None:
    before = up.vmm_pid()
    up.up()

    assert up.vmm_pid() == before
    assert up.status() == "running"


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root has nothing to drop")
def test_qemu_runs_as_nobody_under_seccomp_in_its_own_session(up: QemuMachine) -> None:
    pid = up.vmm_pid()
    assert pid is not None
    status = Path(f"/proc/{pid}/status").read_text()

    assert re.search(r"^Uid:\s+65534\s+65534", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
    assert os.getsid(pid) == pid


@pytest.mark.skipif(os.geteuid() != 0, reason="gives the folder to another user: run as root")
def test_a_damaged_disk_is_replaced_while_another_user_swaps_it_for_a_link(machine: QemuMachine) -> None:
    """As after an update from a version that gave QEMU's folder to nobody."""
    machine.up()
    machine.down()
    place = Arena(machine.directory)
    secret = place.ours / "secret"
    secret.write_text("only root reads this")
    secret.chmod(0o600)
    disk = machine.directory / "vmm/disk.qcow2"
    os.truncate(disk, disk.stat().st_size // 2)
    place.theirs("vmm")

    with place.swapping("vmm/disk.qcow2", secret):
        machine.up()

    status = secret.stat()
    assert (status.st_uid, status.st_mode & 0o777, secret.read_text()) == (0, 0o600, "only root reads this")
    assert in_machine(machine.ssh(), "echo runs") == "runs\n"
    owners = {path.name: path.lstat().st_uid for path in (disk.parent, *disk.parent.iterdir())}
    assert owners == {"vmm": 0, "disk.qcow2": 65534, "console.log": 65534, "qmp.sock": 0}


@pytest.mark.skipif(os.geteuid() != 0, reason="gives the folder to another user: run as root")
def test_snapshots_survive_the_update_from_a_version_that_gave_qemu_its_folder(up: QemuMachine) -> None:
    up.snapshot("older")
    folder = up.directory / "vmm"
    for path in (folder, *folder.iterdir()):  # its QEMU, which ran as nobody, made the socket too
        os.chown(path, 65534, 65534)
    folder.chmod(0o700)

    assert "older" in up.snapshots()
    before = up.vmm_pid()
    up.up()
    assert up.vmm_pid() == before
    assert up.restore("older")
    assert folder.stat().st_uid == 0
    up.delete_snapshot("older")
    assert up.snapshots() == []


def test_modules_for_containers_load(up: QemuMachine) -> None:
    names = "overlay bridge veth nf_tables br_netfilter nft_chain_nat"

    assert in_machine(up.ssh(), f"modprobe --all {names} && echo loaded") == "loaded\n"


def test_a_restored_machine_has_its_old_disk_and_the_present_time(up: QemuMachine) -> None:
    in_machine(up.ssh(), "touch /before")
    up.snapshot("frozen")
    in_machine(up.ssh(), "touch /after && sync && sleep 3")

    assert up.restore("frozen")
    asked = time.time()
    files, now = in_machine(up.ssh(), "echo $(ls -d /before /after 2>/dev/null); date +%s.%N").splitlines()
    assert files == "/before"
    assert asked - 2.5 < float(now) < time.time() + 1
    assert up.snapshots() == ["frozen"]


def test_restoring_a_missing_snapshot_changes_nothing(up: QemuMachine) -> None:
    before = up.vmm_pid()

    assert not up.restore("nothing")
    assert up.vmm_pid() == before


def test_a_halted_machine_keeps_its_disk_and_its_snapshots(up: QemuMachine) -> None:
    up.snapshot("halted")
    in_machine(up.ssh(), "echo kept >/kept")
    up.down()
    assert (up.status(), up.vmm_pid()) == ("halted", None)

    assert "halted" in up.snapshots()
    up.up()
    assert in_machine(up.ssh(), "cat /kept") == "kept\n"
    up.down()
    assert up.restore("halted")
    assert in_machine(up.ssh(), "ls /kept || echo gone") == "gone\n"


def test_a_machine_that_has_just_booted_is_shut_down(up: QemuMachine) -> None:
    up.down()
    up.up()
    up.down()

    assert "Power down" in up.console()  # not ended at the deadline: the button is pressed until somebody listens


def test_other_hardware_has_no_snapshots(up: QemuMachine) -> None:
    up.snapshot("small")
    other = QemuMachine(replace(up.spec, memory=768), up.box, up.directory, up._run)  # type: ignore[type-var]

    assert "small" not in other.snapshots()


def test_another_process_finds_the_machine_running(up: QemuMachine) -> None:
    with Run.start() as run:
        other = QemuMachine(up.spec, up.box, up.directory, run)

        assert other.status() == "running"
        assert other.ssh() == up.ssh()
    assert up.status() == "running"  # the other run's end has not ended it


def test_a_machine_boots_with_cgroup_v1(up: QemuMachine) -> None:
    up.down()
    v1 = QemuMachine(replace(up.spec, cgroup="v1"), up.box, up.directory, up._run)  # type: ignore[type-var]
    v1.up()
    try:
        assert in_machine(v1.ssh(), "findmnt -no FSTYPE /sys/fs/cgroup/memory") == "cgroup\n"
    finally:
        v1.down()


def test_the_console_of_a_guest_that_panics_is_quoted(machine: QemuMachine) -> None:
    machine.down(destroy=True)
    broken = replace(machine.box, cmdline=f"{machine.box.cmdline} init=/nowhere rdinit=/nowhere root=/dev/none")
    dead = QemuMachine(machine.spec, broken, machine.directory, machine._run)

    with pytest.raises(IsolationError, match=r"cannot reach .*: QEMU has ended; its console ends: .*") as caught:
        dead.up()
    assert "Kernel panic" in caught.value.log
    assert dead.vmm_pid() is None
    dead.down(destroy=True)
    assert dead.status() == "absent"


def test_a_prune_ends_the_machine_of_a_killed_starter(machine: QemuMachine) -> None:
    machine.down(destroy=True)
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from live_box import Spec; from provisioner.journal.run import Run\n"
        "from provisioner.machines.box.build import build_box\n"
        "from provisioner.machines.qemu.machine import QemuMachine\n"
        "QemuMachine(Spec('test-killed'), build_box(), Path(sys.argv[2]), Run.start()).up()\n"
    )
    argv = [sys.executable, "-c", code, str(Path(__file__).parents[2]), str(machine.directory)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as starter:
        try:
            until = time.monotonic() + 60
            while not find_running(machine.directory / PID_FILE) and time.monotonic() < until:
                time.sleep(0.02)
        finally:
            starter.send_signal(signal.SIGKILL)
    assert find_running(machine.directory / PID_FILE) is not None

    prune()
    assert find_running(machine.directory / PID_FILE) is None
