"""Device nodes below /dev."""

from __future__ import annotations

import pytest

from provisioner.sandboxes.observed import UnobservedFact
from pytest_isolation.view import HostView, SandboxView
from pytest_isolation.walls.devices import is_default


@pytest.mark.isolation(
    "dev.nodes",
    severity="high",
    profile="baseline",
    refs=["OCI runtime-spec default devices", "CIS Docker 5.18"],
    shows=["system.devices"],
    reproduce="find /dev -type b -o -type c | xargs ls -l",
    remedy="drop --device, --privileged and -v /dev:/dev",
)
def test_dev_holds_the_default_devices_only(sandbox: SandboxView) -> None:
    """
    `/dev` holds only the OCI default devices.

    By major and minor number as well as by name.  Nodes of a kernel of its own lead to that kernel's drivers.
    """
    if not sandbox.shares_kernel:
        return
    strange = [device.path for device in sandbox.system.devices if not is_default(device)]
    assert not strange, f"/dev also holds {', '.join(strange[:8])}{' …' if len(strange) > 8 else ''}"


@pytest.mark.isolation(
    "dev.block",
    severity="critical",
    profile="baseline",
    refs=["OCI runtime-spec linux.devices", "Documentation/admin-guide/devices.txt"],
    shows=["system.devices"],
    reproduce="find /dev -type b -exec head -c0 {} ';' -print",
    remedy="drop --device, --privileged, and a VM's raw disks of the host",
)
def test_no_block_device_of_the_host_opens(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    No host block device can be opened.

    Each block node below /dev is opened for reading and closed.  A VM's disks are its own unless its hypervisor's
    process has a block device of the host open.
    """
    if not sandbox.shares_kernel and not sandbox.has_outside:
        nodes = {device.path for device in host_facts.system.devices if device.kind == "block"}
        given = sorted({fd.target for fd in sandbox.vmm.process.fds} & nodes)
        assert not given, f"its hypervisor has the host's {', '.join(given)} open"
        return
    blocks = [device for device in sandbox.system.devices if device.kind == "block"]
    opened = [device.path for device in blocks if device.open == "ok"]
    assert not opened, f"{', '.join(opened)} opens for reading"
    untried = [device.path for device in blocks if device.open is None]
    if untried:
        raise UnobservedFact("system.devices", "", f"opening {untried[0]} was not tried")
