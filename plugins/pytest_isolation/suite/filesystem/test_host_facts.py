"""Checks of what describes the host: its kernel log, its command line, its serial numbers."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.filesystem import paths as walls
from pytest_isolation.walls.filesystem.devices import KERNEL_LOG, all_devices, openable


@pytest.mark.isolation(
    "path.kmsg",
    severity="medium",
    profile="baseline",
    gains="reads the host kernel's log: addresses, devices, other users' crashes",
    refs=["syslog(2)", "Documentation/ABI/testing/dev-kmsg"],
    shows=["system.tries[syslog.size_buffer]", "system.tries[kmsg.open]", "system.devices", "system.nodes"],
    reproduce="dmesg --syslog | head -1; sh -c ': </dev/kmsg'",
    remedy="drop --privileged, --device /dev/kmsg and --cap-add=SYSLOG; sysctl kernel.dmesg_restrict=1",
)
def test_kernel_log_cannot_be_read(sandbox: SandboxView) -> None:
    """
    The host's kernel log cannot be read.

    The probe opens /dev/kmsg, and nodes with its number under other names, and does not read them.
    It does not open /proc/kmsg, which blocks and consumes messages: syslog(2) asks the same question.
    """
    tries = sandbox.system.tries
    asked = {"syslog(2)": tries["syslog.size_buffer"].result, "/dev/kmsg": tries["kmsg.open"].result}
    if not sandbox.shares_kernel:
        return  # its own kernel's
    for name, result in asked.items():
        if result == "timeout":
            raise UnobservedFact(f"system.tries of {name}", "", "the try timed out")
    answered = [name for name, result in asked.items() if result == "ok"]
    if answered:
        raise Open(f"{' and '.join(answered)} gives the host's kernel log")
    nodes = openable(all_devices(sandbox.system), KERNEL_LOG)
    if nodes:
        raise Open(f"{', '.join(nodes)} gives the host's kernel log")


@pytest.mark.isolation(
    "path.host_facts",
    severity="low",
    profile="restricted",
    gains="learns the host's command line, configuration and serial numbers",
    refs=[
        *("proc_cmdline(5)", "proc_modules(5)", "Documentation/ABI/testing/sysfs-class-dmi-id"),
        *("Documentation/ABI/testing/sysfs-kernel-vmcoreinfo", "Documentation/ABI/testing/sysfs-class-thermal"),
    ],
    shows=["system.kernel_state"],
    reproduce="wc -c /proc/cmdline /proc/config.gz /proc/modules /sys/class/dmi/id/product_serial",
    remedy="mask them: podman --security-opt mask=/proc/cmdline:/proc/config.gz:/proc/modules:…; maskedPaths",
)
def test_the_host_is_not_described(sandbox: SandboxView) -> None:
    """
    The host's command line, configuration, modules and DMI serial numbers are not exposed.

    Its temperature, which shows when others work, and the address of its crash notes count as well.
    The probe does not keep what it reads.
    """
    reads = sandbox.system.kernel_state.reads
    if not sandbox.shares_kernel:
        return  # its own kernel's
    found = [name for name in reads.names() if walls.reaches_kernel(reads[name])]
    if found:
        raise Open(f"{', '.join(found)} can be read")
