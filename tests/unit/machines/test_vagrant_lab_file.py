"""The JSON that the Vagrantfile reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.machines.box.build import Box
from provisioner.machines.lab import MachineSpec
from provisioner.machines.vagrant.lab_file import (
    hardware_address,
    hardware_mark,
    render_built,
    render_cmdline,
    render_known,
    write_entry,
)


def test_a_built_box_is_booted_by_its_kernel_and_has_its_key(box: Box) -> None:
    entry = render_built(MachineSpec(name="web"), box, "words", "qemu", "/console")

    assert entry["box"] == "isolation-debian12-abc"
    assert dict(entry["ssh"])["private_key_path"] == str(box.private_key)  # type: ignore[call-overload]
    assert dict(entry["ssh"])["insert_key"] is False  # type: ignore[call-overload]
    assert dict(entry["libvirt"])["cmd_line"] == "words"  # type: ignore[call-overload]


def test_the_command_line_has_name_address_and_cgroup_version(box: Box) -> None:
    v2, v1 = MachineSpec(name="web"), MachineSpec(name="web", cgroup="v1")

    assert render_cmdline(v2, box) == "quiet systemd.hostname=web"
    assert render_cmdline(v1, box) == "quiet systemd.hostname=web systemd.unified_cgroup_hierarchy=0"
    assert render_cmdline(v2, box, "192.168.121.128").endswith(
        " earlynet=192.168.121.128,255.255.255.0,192.168.121.1,192.168.121.1"
    )


def test_the_entry_of_a_known_box_leaves_boot_and_login_to_its_vagrantfile() -> None:
    entry = render_known(MachineSpec(name="web", box="a/b", box_version="1.2"), "kvm", "/console")

    assert (entry["box"], entry["box_version"]) == ("a/b", "1.2")
    assert "ssh" not in entry
    assert "vm" not in entry
    assert not {"kernel", "initrd", "cmd_line", "machine_type"} & set(entry["libvirt"])  # type: ignore[call-overload]


def test_a_hardware_address_depends_on_the_name() -> None:
    assert hardware_address("web") == hardware_address("web")
    assert hardware_address("web") != hardware_address("db")
    assert hardware_address("web").startswith("52:54:00:")


@pytest.mark.parametrize("change", [{"cpus": 1}, {"memory": 512}, {"cgroup": "v1"}], ids=str)
def test_other_hardware_has_another_vagrant_mark(change: dict[str, Any]) -> None:
    spec = MachineSpec(name="web")

    assert hardware_mark(spec, "qemu") != hardware_mark(spec.model_copy(update=change), "qemu")
    assert hardware_mark(spec, "qemu") != hardware_mark(spec, "kvm")


def test_writing_an_entry_keeps_the_other_machines_entries(tmp_path: Path) -> None:
    file = tmp_path / "new" / "lab.yaml"
    write_entry(file, "web", {"box": "a"})
    write_entry(file, "db", {"box": "b"})
    write_entry(file, "web", {"box": "c"})

    assert json.loads(file.read_text())["machines"] == {"web": {"box": "c"}, "db": {"box": "b"}}
    file.write_text("garbage")
    write_entry(file, "web", {"box": "d"})
    assert json.loads(file.read_text())["machines"] == {"web": {"box": "d"}}
