"""What the probe tells of the machine under it, of SSH keys, of random bytes and of listening sockets."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.facts.document import Facts, parse_facts
from provisioner.facts.platform import Listener
from provisioner.observed import Unobserved
from provisioner.probe.build import probe_binary

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
MOUNTS = Path("/proc/self/mounts")
LISTEN = """
import os, socket, sys
folder, = sys.argv[1:]
os.chdir(folder)
made = [socket.socket(socket.AF_UNIX) for _ in range(4)]
made[0].bind("open.sock")
os.chmod("open.sock", 0o777)
made[1].bind("closed.sock")
os.chmod("closed.sock", 0o770)
made[2].bind(f"\\0isolation-{os.getpid()}")
made[3].bind("quiet.sock")
made.append(socket.create_server(("127.0.0.1", 0)))
for one in made[:3]:
    one.listen()
made.append(socket.create_connection(made[4].getsockname()))
print(made[4].getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def probe() -> Path:
    given = os.environ.get("PROBE_UNDER_TEST")
    return Path(given) if given else probe_binary().path


def ask(*argv: str) -> Facts:
    done = subprocess.run(argv, capture_output=True, timeout=300, check=True)
    return parse_facts(done.stdout.split(b"\n", 1)[1], "n1")


def listeners_in(probe: Path, folder: Path) -> tuple[dict[str, Listener], int, int]:
    """Return what a process listens on that has its sockets in a folder, its TCP port and its pid."""
    listening = subprocess.Popen([sys.executable, "-c", LISTEN, str(folder)], stdin=-1, stdout=-1, text=True)
    try:
        assert listening.stdout is not None
        port = int(listening.stdout.readline())
        facts = ask(str(probe), "outside", "n1", f"pid:{listening.pid}")
    finally:
        listening.communicate("", timeout=300)
    return {one.address: one for one in facts.listeners}, port, listening.pid


def test_random_bytes_are_new_each_time_and_shown_as_a_hash(probe: Path) -> None:
    drawn = {ask(str(probe), "facts", "n1").system.entropy for _ in range(3)}  # type: ignore[union-attr]

    assert len(drawn) == 3
    assert {len(one) for one in drawn} == {64}


def test_devices_are_those_of_sysfs(probe: Path) -> None:
    system = ask(str(probe), "facts", "n1").system
    folder = Path("/sys/bus/pci/devices")
    listed = sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    assert system is not None
    assert listed == sorted(one.name for one in system.platform.devices if one.id.startswith("pci:"))
    assert all(one.id.split(":")[0] in ("pci", "usb", "virtio", "acpi") for one in system.platform.devices)


def test_the_hypervisor_bit_is_the_one_of_cpuinfo(probe: Path) -> None:
    system = ask(str(probe), "facts", "n1").system
    words = Path("/proc/cpuinfo").read_text().split()

    assert system is not None
    if os.uname().machine == "x86_64":
        assert system.platform.hypervisor == ("hypervisor" in words)


def test_listening_sockets_are_named_with_who_may_connect(probe: Path, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    found, port, pid = listeners_in(probe, tmp_path)
    others = all(folder.stat().st_mode & 1 for folder in (tmp_path, *tmp_path.parents))

    assert set(found) == {"open.sock", "closed.sock", f"@isolation-{pid}", "127.0.0.1"}
    assert (found["127.0.0.1"].port, found["127.0.0.1"].others) == (port, True)
    assert found["open.sock"].mode == 0o777
    assert found["open.sock"].others == others
    assert not found["closed.sock"].others
    assert found[f"@isolation-{pid}"].others


def test_a_folder_on_the_way_keeps_others_out(probe: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    found, _, _ = listeners_in(probe, tmp_path)

    assert not found["open.sock"].others


@as_root
def test_disks_are_looked_at_when_it_is_asked_for(probe: Path) -> None:
    unasked, system = (ask(str(probe), "facts", "n1", *words).system for words in ((), ("disks",)))
    disks = {folder.name for folder in Path("/sys/block").iterdir() if (folder / "device").exists()}

    assert unasked is not None
    assert unasked.disks is None
    assert system is not None
    assert system.disks is not None
    assert {disk.name for disk in system.disks} == disks
    for disk in system.disks:
        used = disk.raw("used")
        if any(line.split()[0].startswith(f"/dev/{disk.name}") for line in MOUNTS.read_text().splitlines()):
            assert used is True or isinstance(used, Unobserved)  # where a device cgroup refuses it
        if used is True:
            assert (disk.size, disk.data_at) == (None, None)


@as_root
def test_keys_are_shown_by_the_hash_of_their_blob(probe: Path, tmp_path: Path) -> None:
    blobs = [bytes([0, 0, 0, 11]) + b"ssh-ed25519" + bytes([0, 0, 0, 32]) + os.urandom(32) for _ in range(2)]
    lines = [f"ssh-ed25519 {base64.b64encode(blob).decode()} somebody\n" for blob in blobs]
    (tmp_path / "ssh_host_ed25519_key.pub").write_text(lines[0])
    (tmp_path / "root/.ssh").mkdir(parents=True)
    (tmp_path / "root/.ssh/authorized_keys").write_text(f'# a comment\n\nrestrict,command="x" {lines[1]}')
    mounts = f"mount --bind {tmp_path} /etc/ssh && mount --bind {tmp_path}/root /root && exec $0 facts n1"
    system = ask("unshare", "--mount", "--propagation", "private", "sh", "-c", mounts, str(probe)).system

    assert system is not None
    assert [key.sha256 for key in system.ssh.host] == [hashlib.sha256(blobs[0]).hexdigest()]
    assert [key.sha256 for key in system.ssh.authorized if key.path.startswith("/root/")] == [
        hashlib.sha256(blobs[1]).hexdigest()
    ]


LISTENS = """
import socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
families = {"4": (socket.AF_INET, "127.0.0.1"), "6": (socket.AF_INET6, "::1")}
held = []
for family, address in (families[word] for word in sys.argv[2].split(",") if word):
    held.append(socket.socket(family))
    held[-1].bind((address, 2375))
    held[-1].listen()
sys.exit(subprocess.run([sys.argv[1], "facts", "n1"]).returncode)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a network namespace of its own")
@pytest.mark.parametrize("families", ["", "4", "6", "4,6"])
def test_engine_ports_are_found_in_either_table_also_where_the_other_is_empty(probe: Path, families: str) -> None:
    argv = ["unshare", "--net", sys.executable, "-c", LISTENS, str(probe), families]
    done = subprocess.run(argv, capture_output=True, timeout=300)

    assert done.returncode == 0, done.stderr
    facts = parse_facts(done.stdout.partition(b"\n")[2], "n1")
    assert facts.system is not None
    assert len(families.replace(",", "")) == len(facts.system.ports)
    assert {(port.port, port.loopback) for port in facts.system.ports} <= {(2375, True)}
