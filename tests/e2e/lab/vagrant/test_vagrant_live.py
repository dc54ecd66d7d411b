"""Real Vagrant and libvirt: the life of a machine, two labs at once, and errors."""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from live_box import REASON, UNAVAILABLE
from vagrant_box import pack_known_box

from provisioner import deadlines, progress
from provisioner.connection.ssh import SshConnection
from provisioner.errors import IsolationError
from provisioner.journal.prune import prune
from provisioner.journal.read import read_journal
from provisioner.journal.run import Run
from provisioner.linux.processes import Process, read_process, wait_gone
from provisioner.machines.box.build import Box, build_box, package_box
from provisioner.machines.daemonize import load_process
from provisioner.machines.lab import MachineSpec
from provisioner.machines.libvirt.network import LabNet
from provisioner.machines.vagrant.lab_file import render_plain, write_entry
from provisioner.machines.vagrant.machine import VagrantMachine
from provisioner.machines.vagrant.output import INSTALL
from provisioner.machines.vagrant.program import VagrantProgram
from provisioner.paths import run_dir

TOOLS = ("vagrant", "libvirtd", "virsh", "dnsmasq", "slirp4netns", "nsenter")
PLUGIN = Path("/usr/share/vagrant-plugins/plugins.d")
MISSING = [tool for tool in TOOLS if not shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")]
pytestmark = [
    pytest.mark.skipif(UNAVAILABLE, reason=REASON),
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"needs {', '.join(MISSING)}: {INSTALL.partition(';')[0]} libvirt-daemon-system libvirt-clients "
        "dnsmasq-base slirp4netns",
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="a lab's network namespace needs root"),
]
ROOT = Path(__file__).parents[4]
STARTER = """
import sys; from pathlib import Path
from provisioner.journal.run import Run; from provisioner.machines.lab import MachineSpec
from provisioner.machines.box.build import build_box; from provisioner.machines.vagrant.machine import VagrantMachine
with Run.start() as run:
    VagrantMachine(MachineSpec(name="one", driver="qemu"), build_box(), Path(sys.argv[1]), run).up()
"""


def look_at_the_host() -> dict[str, object]:
    """Return the host's network settings, which a lab must not change, without counters."""
    rules = {}
    for argv in (["nft", "list", "ruleset"], ["iptables-save"], ["ip6tables-save"]):
        if shutil.which(argv[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            text = subprocess.run(argv, capture_output=True, text=True, timeout=300).stdout
            lines = [re.sub(r"\[\d+:\d+\]|counter packets \d+ bytes \d+", "", line) for line in text.splitlines()]
            rules[argv[0]] = [line for line in lines if not line.startswith("#")]
    shown = {
        what: json.loads(subprocess.run(["ip", "-j", *what.split()], capture_output=True, timeout=300).stdout or "[]")
        for what in ("link show", "addr show", "route show table all", "-6 route show table all", "rule show")
    }
    sysctls = sorted(Path("/proc/sys/net/ipv4/conf").glob("*/forwarding"))
    return {
        **rules,
        **shown,
        "forward": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "forwarding": {str(path): path.read_text() for path in sysctls},
        "bridges": sorted(path.parent.name for path in Path("/sys/class/net").glob("*/bridge")),
    }


@pytest.fixture(scope="module")
def box() -> Box:
    return build_box()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder for labs; not below tmp_path, which the unprivileged QEMU cannot enter."""
    made = run_dir() / f"labs-{secrets.token_hex(4)}"
    made.mkdir(mode=0o711)
    yield made
    for lab in made.iterdir():  # ends what a failed test has left running
        LabNet(lab).down()
    shutil.rmtree(made, ignore_errors=True)


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


def test_a_kernel_panic_ends_the_start_at_once(machine: VagrantMachine, box: Box) -> None:
    broken = replace(box, cmdline=f"{box.cmdline} rdinit=/nowhere root=/dev/none")
    dead = VagrantMachine(MachineSpec(name="dead", driver="qemu"), broken, machine.directory, machine._run)
    started = time.monotonic()

    with pytest.raises(IsolationError, match=r"cannot start machine 'dead': its kernel has panicked; .*: ") as caught:
        dead.up()
    assert time.monotonic() - started < deadlines.deadline("machine.boot")  # without waiting for the deadline
    assert "Kernel panic" in caught.value.log
    assert (dead.status(), dead.vmm_pid()) == ("absent", None)


def test_the_console_of_a_guest_that_misses_its_deadline_is_quoted(
    machine: VagrantMachine, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = replace(box, cmdline=f"{box.cmdline.replace('quiet', '')} systemd.unit=emergency.target")
    hung = VagrantMachine(MachineSpec(name="hung", driver="qemu"), hanging, machine.directory, machine._run)
    monkeypatch.setitem(deadlines._SECONDS, "machine.boot", 12.0)

    with pytest.raises(IsolationError) as caught:
        hung.up()
    assert re.match(
        "cannot start machine 'hung': Vagrant: it did not answer by SSH in time; its console ends: .+",
        str(caught.value),
    )
    assert "Command line: " in caught.value.log or "systemd[1]" in caught.value.log
    assert (hung.status(), hung.vmm_pid()) == ("absent", None)


def test_a_truncated_box_file_is_packed_again_or_refused(box: Box, folder: Path) -> None:
    own = replace(box, directory=folder / "own")
    own.directory.mkdir()
    packed = package_box(own)
    size = packed.stat().st_size
    os.truncate(packed, size // 2)
    assert package_box(own).stat().st_size > size * 0.9  # compressed by several threads: not to the byte
    with tarfile.open(packed) as tar:
        assert tar.getmember("box.img").size > size // 2

    os.truncate(packed, size // 2)
    with Run.start() as run:
        program = VagrantProgram(folder / "cut", run)
        with pytest.raises(IsolationError, match="cannot add the box 'a/b': Vagrant: the box file is damaged or trunc"):
            program.add_box("a/b", packed)


@pytest.mark.skipif(not PLUGIN.is_dir(), reason="hides the plugin as Debian installs it")
def test_a_missing_plugin_is_an_error_that_offers_provider_qemu(folder: Path) -> None:
    hide = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {PLUGIN} && exec "$@"', "sh"]
    with Run.start() as run:
        program = VagrantProgram(folder / "bare", run, enter=lambda: hide)
        write_entry(program.lab_file, "one", render_plain(MachineSpec(name="one", box="a/b")))
        with pytest.raises(IsolationError) as caught:
            program.up("one")
    assert str(caught.value).startswith("cannot start machine 'one': Vagrant: its plugin vagrant-libvirt is not insta")
    assert "`provider: qemu` in lab.yaml" in str(caught.value)


def test_vagrant_by_hand_reads_the_packaged_lab_and_names_a_missing_box(folder: Path) -> None:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    env |= {"VAGRANT_HOME": str(folder / "hand"), "VAGRANT_DOTFILE_PATH": str(folder / "dot")}
    env |= {"VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_DEFAULT_PROVIDER": "libvirt", "LC_ALL": "C.UTF-8"}
    status, start = (
        subprocess.run(
            ["vagrant", *argv], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900
        )
        for argv in (["status"], ["up", "debian12"])
    )

    assert (status.returncode, status.stderr) == (0, "")
    assert re.search(r"^debian12 +not created \(libvirt\)$", status.stdout, re.MULTILINE)
    assert start.returncode == 1
    wanted = "cannot start machine 'debian12': Vagrant knows no box 'debian12'; `provisioner up debian12` builds it"
    assert wanted in start.stdout + start.stderr
    assert ".rb:" not in status.stdout + start.stdout + start.stderr
