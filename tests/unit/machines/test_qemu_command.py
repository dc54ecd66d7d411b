"""QEMU's argument list for a box."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.machines.box.build import Box
from provisioner.machines.lab import MachineSpec
from provisioner.machines.qemu.command import Hardware, drop_privileges, render_cmdline, render_command

HARDWARE = Hardware(2, 1024, "v2", "tcg", "/usr/bin/qemu-system-x86_64", "1")
SPEC = MachineSpec(name="debian12", driver="qemu")


def value_of(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]


def test_the_kernel_chooses_the_forwarded_port(box: Box) -> None:
    argv = render_command(SPEC, box, HARDWARE, 7)

    assert value_of(argv, "-netdev").endswith("hostfwd=tcp:127.0.0.1:0-:22")
    assert value_of(argv, "-sandbox").startswith("on,")
    assert "-loadvm" not in argv


def test_a_snapshot_is_loaded_instead_of_booting(box: Box) -> None:
    assert value_of(render_command(SPEC, box, HARDWARE, 7, "clean+12345678"), "-loadvm") == "clean+12345678"


def test_cgroup_v1_adds_one_word_to_the_command_line(box: Box) -> None:
    v1, v2 = (render_cmdline(SPEC.model_copy(update={"cgroup": mode}), box) for mode in ("v1", "v2"))

    assert v1 == f"{v2} systemd.unified_cgroup_hierarchy=0"
    assert "systemd.hostname=debian12" in v2


@pytest.mark.parametrize(
    "change",
    [{"cpus": 1}, {"memory": 512}, {"cgroup": "v1"}, {"accelerator": "kvm"}, {"version": "2"}],
    ids=lambda change: next(iter(change)),
)
def test_other_hardware_has_another_mark(change: dict[str, object]) -> None:
    assert replace(HARDWARE, **change).mark != HARDWARE.mark  # type: ignore[arg-type]


def test_all_groups_are_dropped_under_emulation() -> None:
    assert drop_privileges("tcg", None) == []
    assert "--clear-groups" in drop_privileges("tcg", 65534)
