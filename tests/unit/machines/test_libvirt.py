"""Domains and leases, with a fake virsh."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import IsolationError
from provisioner.machines.libvirt.dhcp import reserve_address, sees_lease
from provisioner.machines.libvirt.domain import Domain
from provisioner.machines.vagrant.lab_file import (
    hardware_address,
)


class FakeLibvirt:
    """A libvirt that answers virsh by a table of commands."""

    def __init__(self, directory: Path, answers: dict[str, str]) -> None:
        self.directory = directory
        self.answers = answers
        self.defined = ""

    def virsh(self, *argv: str) -> subprocess.CompletedProcess[str]:
        if argv[0] == "define":
            self.defined = Path(argv[1]).read_text()
        known = argv[0] in self.answers or argv[0] == "define"
        return subprocess.CompletedProcess(argv, not known, self.answers.get(argv[0], ""), "error: broken")


def test_the_address_is_that_of_the_lease(tmp_path: Path) -> None:
    table = (
        " vnet0      52:54:00:01:02:03    ipv6         fe80::1/64\n vnet0  52:54:00:01:02:03  ipv4  192.168.121.9/24\n"
    )
    known, unknown = (FakeLibvirt(tmp_path, answers) for answers in ({"domifaddr": table}, {}))

    assert Domain(known, tmp_path, "web").address() == "192.168.121.9"  # type: ignore[arg-type]
    assert Domain(unknown, tmp_path, "web").address() is None  # type: ignore[arg-type]


def test_each_card_has_an_address_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "lib" / "dnsmasq" / "virbr0.status"
    libvirt: Any = FakeLibvirt(tmp_path, {})
    macs = [hardware_address("web"), "52:54:00:00:00:01", "52:54:00:00:00:80"]  # of the last two, the first try is one
    found = [reserve_address(libvirt, mac) for mac in macs]
    assert len(set(found)) == 3
    assert all(address and 128 <= int(address.rpartition(".")[2]) <= 254 for address in found)

    given = {"ip-address": "192.168.121.7", "mac-address": "52:54:00:00:00:03", "expiry-time": 9}  # by DHCP
    file.write_text(json.dumps([*json.loads(file.read_text()), given]))
    assert [reserve_address(libvirt, mac) for mac in macs] == found
    assert reserve_address(libvirt, "52:54:00:00:00:03") not in {*found, "192.168.121.7"}
    assert len(json.loads(file.read_text())) == 4


def test_a_lost_lease_is_restored(tmp_path: Path) -> None:
    libvirt: Any = FakeLibvirt(tmp_path, {})
    first = reserve_address(libvirt, "52:54:00:00:00:01")
    (tmp_path / "lib" / "dnsmasq" / "virbr0.status").write_text("")

    assert reserve_address(libvirt, "52:54:00:00:00:01") == first


def test_no_address_is_reserved_when_all_are_taken(tmp_path: Path) -> None:
    libvirt: Any = FakeLibvirt(tmp_path, {})
    for number in range(127):
        assert reserve_address(libvirt, f"52:54:00:00:01:{number:02x}")

    assert reserve_address(libvirt, "52:54:00:00:02:00") is None


def test_libvirt_is_asked_whether_it_knows_a_lease(tmp_path: Path) -> None:
    seen: Any = FakeLibvirt(
        tmp_path, {"net-dhcp-leases": " never  52:54:00:00:00:01  ipv4  192.168.121.128/24  -  -\n"}
    )

    assert sees_lease(seen, "52:54:00:00:00:01", "192.168.121.128")
    assert not sees_lease(seen, "52:54:00:00:00:01", "192.168.121.12")


def test_a_changed_command_line_redefines_the_domain(tmp_path: Path) -> None:
    shown = "<domain type='qemu'><os><cmdline>old</cmdline></os></domain>"
    libvirt = FakeLibvirt(tmp_path, {"dumpxml": shown})
    domain = Domain(libvirt, tmp_path, "web")  # type: ignore[arg-type]
    domain.redefine("qemu", "old")
    assert libvirt.defined == ""

    domain.redefine("kvm", "new & other")
    defined = ElementTree.fromstring(libvirt.defined)
    assert (defined.get("type"), defined.findtext("os/cmdline")) == ("kvm", "new & other")


def test_an_error_of_virsh_is_quoted(tmp_path: Path) -> None:
    domain = Domain(FakeLibvirt(tmp_path, {}), tmp_path, "web")  # type: ignore[arg-type]

    with pytest.raises(IsolationError, match="cannot run 'virsh destroy': error: broken"):
        domain.stop()
