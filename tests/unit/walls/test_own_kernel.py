"""pytest_isolation.walls.machine.own_kernel: signs by which a sandbox's kernel is the host's or its own."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.facts.document import Facts
from provisioner.facts.kernel import Kernel
from provisioner.facts.mounts import Mount
from provisioner.facts.process import Process
from provisioner.facts.system import System, Task
from pytest_isolation.walls.machine.own_kernel import BOOT_ID, signs_of_hosts_kernel, signs_of_its_own_kernel

HOSTS, OWN = "Linux version 6.1 (host)", "Linux version 5.10 (guest)"


def facts(boot_id: str = "own", banner: str = HOSTS, forged: bool = False, threads: bool = False) -> Facts:
    mounts = [Mount.model_construct(target="/proc")] + [Mount.model_construct(target=BOOT_ID)] * forged
    tasks = [Task(pid=1, name="init")] + [Task(pid=2, name="kthreadd")] * threads
    return Facts.model_construct(
        boot_id=boot_id,
        process=Process.model_construct(mounts=mounts),
        system=System.model_construct(kernel=Kernel.model_construct(banner=banner), tasks=tasks),
    )


HOST = facts("host", threads=True)
SEEN = "the host sees its process as 4711"


@pytest.mark.parametrize(
    ("inside", "seen", "expected"),
    [
        (facts(threads=True), None, ""),  # a VM that boots the host's own image
        (facts(banner=OWN, threads=True), None, ""),
        (facts(banner=OWN), 4711, SEEN),
        (facts("host", banner=OWN), None, "its boot id is the host's"),
        (facts(forged=True), None, "a boot id is mounted over"),  # systemd-nspawn
        (facts(forged=True, threads=True), None, ""),  # a VM whose boot id is hidden
        (facts(forged=True, banner=OWN), None, ""),
    ],
)
def test_a_vm_on_the_hosts_kernel_is_seen(inside: Facts, seen: int | None, expected: str) -> None:
    signs: list[Any] = signs_of_hosts_kernel(inside, HOST, seen)

    assert bool(expected) == bool(signs)
    assert expected in "".join(signs)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (facts("host"), 0),
        (facts(forged=True), 0),  # a container whose boot id is made up
        (facts(), 0),  # what made it up is unknown
        (facts(forged=True, banner=OWN), 0),
        (facts(banner=OWN), 1),
        (facts(threads=True), 1),  # a VM that boots the host's own image
        (facts(banner=OWN, threads=True), 2),
    ],
)
def test_a_container_on_a_kernel_of_its_own_is_seen(inside: Facts, expected: int) -> None:
    assert expected == len(signs_of_its_own_kernel(inside, HOST))
