"""Rules that restrict devices, and mounts on read-only binds."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from provisioner.facts.devices import Device, DeviceRules
from provisioner.facts.mounts import Mount
from pytest_isolation.walls.filesystem.devices import MEMORY, openable, rules_beyond, why_unrestricted
from pytest_isolation.walls.filesystem.rootfs import missing_flags, writable_below


def mount(target: str, id_: int, parent: int, *options: str, minor: int = 9) -> Mount:
    return Mount(
        id=id_,
        parent=parent,
        major=0,
        minor=minor,
        root="/",
        target=target,
        options=list(options),
        tags=[],
        fstype="tmpfs",
        source="none",
        super_options=["rw"],
    )


@pytest.mark.parametrize("line", ["a *:* rwm", "b *:* r", "c *:5 w"])
def test_a_line_for_every_major_restricts_nothing(line: str) -> None:
    assert line in why_unrestricted(DeviceRules(version=1, rules=["c 1:3 rwm", line], programs=[]))


@pytest.mark.parametrize("line", ["c *:* m", "c 136:* rwm", "b 7:0 r"])
def test_a_narrow_line_restricts_devices(line: str) -> None:
    assert why_unrestricted(DeviceRules(version=1, rules=[line], programs=[])) == ""


@pytest.mark.parametrize("line", ["b 7:0 r", "b 8:* rw", "c 10:232 rwm", "c 42:* w", "c 1:1 r"])
def test_a_rule_for_one_more_device_is_told(line: str) -> None:
    rules = DeviceRules(version=1, rules=["c *:* m", "c 1:3 rwm", "c 136:* rwm", line], programs=[])

    assert rules_beyond(rules, "runc", []) == [line]


@pytest.mark.parametrize("line", ["b 7:0 m", "c 10:200 rwm", "c 5:1 rwm", "b 254:1 rw"])
def test_a_rule_without_a_door_is_not_told(line: str) -> None:
    disk = Device(path="/dev/vdb", kind="block", major=254, minor=1, open="ok")

    assert rules_beyond(DeviceRules(version=1, rules=[line], programs=[]), "runc", [disk]) == []


def test_an_untried_device_is_unobserved() -> None:
    with pytest.raises(UnobservedFact, match="/dev/m"):
        openable([Device(path="/dev/m", kind="char", major=1, minor=1, open=None)], MEMORY)


def test_the_root_and_kernel_folders_are_no_read_only_binds() -> None:
    mounts = [
        mount("/", 1, 0, "ro"),
        mount("/data", 2, 1, "rw"),
        mount("/sys", 3, 1, "ro"),
        mount("/sys/x", 4, 3, "rw"),
    ]

    assert writable_below(mounts) == []


def test_a_bind_from_the_host_keeps_its_flags() -> None:
    shm = mount("/dev/shm", 2, 1, "rw")

    assert missing_flags([shm], [shm], []) == []
    assert missing_flags([shm], [], []) == ["/dev/shm lacks nosuid, nodev, noexec"]
