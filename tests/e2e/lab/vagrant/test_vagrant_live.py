"""Real Vagrant and libvirt: the life of a machine, two labs at once, and starts that end early."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from vagrant_box import pack_known_box
from vagrant_lab import NEEDS, look_at_the_host

from provisioner import progress
from provisioner.connection.ssh import SshConnection
from provisioner.errors import IsolationError
from provisioner.journal.prune import prune
from provisioner.journal.read import read_journal
from provisioner.journal.run import Run
from provisioner.linux.processes import Process, read_process, wait_gone
from provisioner.machines.box.build import Box
from provisioner.machines.daemonize import load_process
from provisioner.machines.lab import MachineSpec
from provisioner.machines.vagrant.machine import VagrantMachine
from provisioner.paths import run_dir

pytestmark = NEEDS
STARTER = """
import sys; from pathlib import Path
from provisioner.journal.run import Run; from provisioner.machines.lab import MachineSpec
from provisioner.machines.box.build import build_box; from provisioner.machines.vagrant.machine import VagrantMachine
with Run.start() as run:
    VagrantMachine(MachineSpec(name="one", driver="qemu"), build_box(), Path(sys.argv[1]), run).up()
"""


@pytest.fixture(scope="module")
def host() -> dict[str, object]:
    """The host's network settings before the first lab."""
    return look_at_the_host()


@pytest.fixture(scope="module")
def machine(box: Box, folder: Path, host: dict[str, object]) -> Iterator[VagrantMachine]:
    with Run.start() as run:
        made = VagrantMachine(MachineSpec(name="one", driver="qemu"), box, folder / "first", run)
        try:
            yield made
        finally:
            made.down(destroy=True)


@pytest.fixture
def up(machine: VagrantMachine) -> VagrantMachine:
    machine.up()
    return machine


def ask(machine: VagrantMachine, *argv: str) -> str:
    """Run a command in a machine, over a connection of its own, and return what it printed."""
    connection = SshConnection(machine.ssh(), machine.name)
    try:
        return connection.run(argv, 60).stdout.decode()
    finally:
        connection.close()


def start_elsewhere(machine: VagrantMachine) -> subprocess.Popen[str]:
    """Start the machine in another process."""
    argv = [sys.executable, "-c", STARTER, str(machine.directory)]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def await_vmm(machine: VagrantMachine, starter: subprocess.Popen[str]) -> list[Process]:
    """Wait until another process has its hypervisor running; return all that is to be gone afterwards."""
    until = time.monotonic() + 180
    while machine.vmm_pid() is None:
        assert starter.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    pid = machine.vmm_pid()
    assert pid is not None
    files = [machine.directory / name for name in ("uplink.pid", "libvirtd.pid", "vagrant/vagrant.pid")]
    found = [read_process(pid), *(load_process(file) for file in files)]
    found += [read_process(int(file.read_text())) for file in (machine.directory / "libvirt/run").glob("**/*.pid")]
    assert len([one for one in found if one]) >= 5  # dnsmasq too
    return [one for one in found if one]


def assert_nothing_is_left(machine: VagrantMachine, processes: list[Process]) -> None:
    assert wait_gone(processes, 10) == []
    assert not Path(f"/run/netns/{machine._net.name}").exists()
    assert machine.status() == "absent"
    assert not list((machine.directory / "libvirt/etc/qemu").glob("*.xml"))
    assert not list((machine.directory / "libvirt/lib/images").glob("isolation_one*"))
    streams = [io.BytesIO(file.read_bytes()) for file in (run_dir() / "runs").glob("*.jsonl")]
    entries = [entry for stream in streams for entry in read_journal(stream).entries]
    assert not [entry for entry in entries if str(machine.directory) in str(entry.values)]


def test_the_second_of_two_starts_waits_and_names_the_first(machine: VagrantMachine) -> None:
    lines: list[str] = []
    before = progress.set_listener(lines.append)
    try:
        with start_elsewhere(machine) as first:
            until = time.monotonic() + 60
            while not (machine.directory / "lock.holder").exists():
                assert time.monotonic() < until
                time.sleep(0.02)
            machine.up()
            assert first.wait(60) == 0
    finally:
        progress.set_listener(before)

    assert f"wait for process {first.pid} (start machine 'one') …" in lines
    assert not [line for line in lines if line.startswith("start machine")]
    assert machine.status() == "running"


def test_the_hosts_network_is_not_changed(up: VagrantMachine, host: dict[str, object]) -> None:
    assert look_at_the_host() == host


def test_the_machine_is_in_the_labs_network(up: VagrantMachine) -> None:
    address = up.ssh()
    pid = up.vmm_pid()

    assert address.host.startswith("192.168.121.")
    assert os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat(str(address.netns)).st_ino
    assert os.stat(f"/proc/{pid}/ns/net").st_ino != os.stat("/proc/self/ns/net").st_ino
    script = "hostname; findmnt -no FSTYPE /sys/fs/cgroup; systemctl is-system-running --wait"
    script += "; until [ -s /etc/resolv.conf ]; do sleep 0.1; done; cat /etc/resolv.conf"
    assert ask(up, "sh", "-c", script).split() == ["one", "cgroup2", "running", "nameserver", "192.168.121.1"]


def test_the_hypervisors_user_owns_neither_the_box_nor_a_folder_of_ours(up: VagrantMachine, box: Box) -> None:
    assert Path(f"/proc/{up.vmm_pid()}").stat().st_uid != 0

    assert {path.name: path.stat().st_uid for path in box.directory.iterdir() if path.stat().st_uid} == {}
    folders = [Path(name) for name, _, _ in os.walk(up.directory)]
    theirs = {path for path in folders if path.stat().st_uid or path.stat().st_mode & 0o022}
    libvirts = {up.directory / name for name in ("libvirt/lib/qemu", "libvirt/run/qemu")}  # of libvirt's own code
    assert {path for path in theirs if not libvirts & {path, *path.parents}} == set()


def test_the_booted_guest_is_idle(up: VagrantMachine) -> None:
    ask(up, "systemctl", "is-system-running", "--wait")
    count = "journalctl -b -u box-resolver.service --no-pager -o cat | grep -c ^Starting"

    assert int(ask(up, "sh", "-c", count)) < 10  # it once restarted again and again, and used the guest's processor


def test_a_second_start_changes_nothing(up: VagrantMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    before = up.vmm_pid()
    monkeypatch.setattr(up._program, "_call", lambda argv: pytest.fail(f"Vagrant was asked: {argv}"))
    up.up()

    assert up.vmm_pid() == before


def test_a_restored_machine_has_its_old_disk_and_the_present_time(up: VagrantMachine) -> None:
    ask(up, "touch", "/before")
    up.snapshot("frozen")
    ask(up, "sh", "-c", "touch /after && sync")
    time.sleep(2)  # the restored guest's clock is behind by this

    assert up.restore("frozen")
    assert ask(up, "sh", "-c", "ls -d /before /after 2>/dev/null") == "/before\n"
    asked = time.time()
    assert asked - 2.5 < float(ask(up, "date", "+%s.%N")) < time.time() + 1
    assert up.snapshots() == ["frozen"]
    assert not up.restore("nothing")


def test_other_hardware_has_no_snapshots(up: VagrantMachine) -> None:
    other = VagrantMachine(MachineSpec(name="one", driver="qemu", memory=768), up.box, up.directory, up._run)

    assert other.snapshots() == []
    assert not other.restore("frozen")
    with pytest.raises(IsolationError, match=r"cannot snapshot machine 'one': lab\.yaml gives it other hardware"):
        other.snapshot("frozen")


def test_a_known_box_runs_in_a_second_lab_at_the_same_time(
    up: VagrantMachine, box: Box, folder: Path, host: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = folder / "users-own"
    monkeypatch.setenv("VAGRANT_HOME", str(home))
    pack_known_box(box, "isolation-test/debian12", home, folder / "known")
    spec = MachineSpec(name="one", driver="qemu", box="isolation-test/debian12")
    with Run.start() as run:
        second = VagrantMachine(spec, None, folder / "second", run)
        try:
            second.up()
            address = second.ssh()
            assert (address.user, address.private_key.name) == ("vagrant", "private_key")
            assert address.netns != up.ssh().netns  # names and addresses are equal in both labs
            assert {one._net.name for one in (up, second)} <= {path.name for path in Path("/run/netns").iterdir()}
            assert address.host_key.split() == box.host_key.split()[:2]  # the learned key is the right one
            boots = {ask(one, "cat", "/proc/sys/kernel/random/boot_id") for one in (up, second)}
            assert len(boots) == 2
            keys = ask(second, "cat", "/home/vagrant/.ssh/authorized_keys")
            assert "vagrant insecure public key" not in keys
            assert look_at_the_host() == host
        finally:
            second.down(destroy=True)
    assert (second.status(), up.status()) == ("absent", "running")
    assert not (second.directory / "one.login").exists()


def test_a_halted_machine_keeps_its_disk_and_gets_the_hardware_of_lab_yaml(up: VagrantMachine) -> None:
    up.snapshot("halted")
    ask(up, "sh", "-c", "echo kept >/kept")
    up.down()
    assert (up.status(), up.vmm_pid()) == ("halted", None)
    assert not Path(f"/run/netns/{up._net.name}").exists()  # the last machine ends the lab's network
    assert "halted" in up.snapshots()
    with pytest.raises(IsolationError, match="cannot reach machine 'one': it does not run; provisioner up one"):
        up.ssh()

    other = VagrantMachine(
        MachineSpec(name="one", driver="qemu", memory=768, cgroup="v1"), up.box, up.directory, up._run
    )
    other.up()
    assert ask(other, "sh", "-c", "cat /kept; findmnt -no FSTYPE /sys/fs/cgroup/memory") == "kept\ncgroup\n"
    assert int(ask(other, "sh", "-c", "grep MemTotal /proc/meminfo").split()[1]) < 800 << 10
    assert other.snapshots() == []
    assert up.restore("halted")  # with the hardware that it was saved with
    assert ask(up, "sh", "-c", "ls /kept 2>/dev/null || echo gone") == "gone\n"
    up.delete_snapshot("halted")
    assert "halted" not in up.snapshots()


def test_an_interrupted_start_leaves_nothing(machine: VagrantMachine) -> None:
    machine.down(destroy=True)
    with start_elsewhere(machine) as starter:
        processes = await_vmm(machine, starter)
        starter.send_signal(signal.SIGINT)
        assert starter.wait(60) != 0

    assert_nothing_is_left(machine, processes)


def test_a_prune_ends_a_killed_start_and_the_next_start_works(machine: VagrantMachine, host: dict[str, object]) -> None:
    machine.down(destroy=True)
    with start_elsewhere(machine) as starter:
        processes = await_vmm(machine, starter)
        starter.send_signal(signal.SIGKILL)
    assert machine.vmm_pid() is not None

    said = prune()
    assert not [line for line in said if line.startswith("cannot")]
    assert_nothing_is_left(machine, processes)
    assert look_at_the_host() == host
    machine.up()
    assert ask(machine, "hostname") == "one\n"
    machine.down(destroy=True)
