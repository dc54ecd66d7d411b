"""Facts about the system: tries, canaries, devices, disks, keys, ports of engines (system/)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from served_probe import Served, as_root, ask, read_document, run

from provisioner.facts.document import parse_facts
from provisioner.observed import Unobserved
from provisioner.probe.build import SOURCES

NAMES_OF_TRIES = set(re.findall(r'^\t\{ "([a-z0-9_.]+)", ', (SOURCES / "system/tries.c").read_text(), re.MULTILINE))
MOUNTS = Path("/proc/self/mounts")


def test_the_document_holds_exactly_the_tries_of_the_table(probe: Path) -> None:
    facts = read_document(run(probe, "facts", "n1"), "n1")

    assert len(NAMES_OF_TRIES) == 62
    assert facts.system is not None
    assert set(facts.system.tries.names()) == NAMES_OF_TRIES
    assert facts.system.tries["syscall.unknown"].result == "ENOSYS"
    assert facts.system.tries["unshare.no_such_flag"].value in (-1, None)


@as_root
def test_all_tries_are_made_under_a_limit_on_processes(probe: Path) -> None:
    """Children that are ending count towards RLIMIT_NPROC until they are reaped; the limit leaves room for one."""
    words = (str(probe), "launch", "--uid", str(1 << 30), "--gid", str(1 << 30), "--", str(probe), "facts", "n")

    done = run("prlimit", "--nproc=2", *words)

    document = json.loads(done.stdout.partition(b"\n")[2])
    tries = document["system"]["tries"]
    assert [name for name, found in tries.items() if "fork" in str(found)] == []
    assert tries["socket.packet_raw"]["result"] == "EPERM"


def test_a_canary_is_recognised_by_its_nonce(probe: Path) -> None:
    canary = subprocess.Popen(["sleep", "60"])
    try:
        for nonce, same in (("60", True), ("other", False)):
            facts = read_document(run(probe, "facts", "n1", f"canary={canary.pid}:{nonce}"), "n1")
            assert facts.system is not None
            assert facts.system.canary is not None
            assert (facts.system.canary.signal, facts.system.canary.same) == ("ok", same)
    finally:
        canary.kill()
        canary.wait()


def test_a_peer_is_tried_by_each_of_its_pids(probe: Path, served: Served) -> None:
    own, gone = os.getpid(), 4194305  # beyond PID_MAX_LIMIT
    numbers = (served.process.pid, own, gone)
    words = [f"peer={number}:{served.nonce}" for number in numbers]
    peers = read_document(run(probe, "facts", "n1", *words), "n1").system.peers

    assert peers is not None
    assert [(one.pid, one.signal, one.same) for one in peers] == [
        (served.process.pid, "ok", True),
        (own, "ok", False),
        (gone, "ESRCH", False),
    ]
    assert read_document(run(probe, "facts", "n1"), "n1").system.peers is None
    for wrong in ("peer=0:x", "peer=x", "peer=7", "peer=7:"):
        assert subprocess.run([probe, "facts", "n1", wrong], capture_output=True).returncode == 64


def test_random_bytes_differ_each_time_and_are_shown_as_a_hash(probe: Path) -> None:
    drawn = {ask(str(probe), "facts", "n1").system.entropy for _ in range(3)}  # type: ignore[union-attr]

    assert len(drawn) == 3
    assert {len(one) for one in drawn} == {64}


def test_pci_devices_equal_sysfs(probe: Path) -> None:
    system = ask(str(probe), "facts", "n1").system
    folder = Path("/sys/bus/pci/devices")
    listed = sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    assert system is not None
    assert listed == sorted(one.name for one in system.platform.devices if one.id.startswith("pci:"))
    assert all(one.id.split(":")[0] in ("pci", "usb", "virtio", "acpi") for one in system.platform.devices)


def test_the_hypervisor_bit_equals_cpuinfo(probe: Path) -> None:
    system = ask(str(probe), "facts", "n1").system
    words = Path("/proc/cpuinfo").read_text().split()

    assert system is not None
    if os.uname().machine == "x86_64":
        assert system.platform.hypervisor == ("hypervisor" in words)


@as_root
def test_disks_are_examined_only_on_request(probe: Path) -> None:
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
def test_ssh_keys_are_shown_by_their_hash(probe: Path, tmp_path: Path) -> None:
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
def test_engine_ports_are_found_if_the_other_table_is_empty(probe: Path, families: str) -> None:
    argv = ["unshare", "--net", sys.executable, "-c", LISTENS, str(probe), families]
    done = subprocess.run(argv, capture_output=True, timeout=300)

    assert done.returncode == 0, done.stderr
    facts = parse_facts(done.stdout.partition(b"\n")[2], "n1")
    assert facts.system is not None
    assert len(families.replace(",", "")) == len(facts.system.ports)
    assert {(port.port, port.loopback) for port in facts.system.ports} <= {(2375, True)}
