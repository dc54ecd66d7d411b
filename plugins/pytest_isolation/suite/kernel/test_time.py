"""Checks of clocks."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.suite.kernel.test_kernel import shows_tries
from pytest_isolation.walls.filesystem.devices import all_devices, is_clock
from pytest_isolation.walls.privileged_calls import CLOCK_ROWS


@pytest.mark.isolation(
    "time.set",
    severity="critical",
    profile="baseline",
    gains="moves the clock that everybody's certificates, logs and timers use",
    refs=["settimeofday(2)", "adjtimex(2)", "time_namespaces(7)"],
    shows=shows_tries(*CLOCK_ROWS),
    reproduce="grep CapEff /proc/self/status    # bit 25",
    remedy="drop --cap-add=SYS_TIME",
)
def test_the_wall_clock_cannot_be_set(sandbox: SandboxView) -> None:
    """
    The sandbox cannot change the wall clock.

    settimeofday(NULL, NULL) sets nothing and checks the privilege; adjtimex with a tick of 0, which is out of range,
    does so too.
    The wall clock has no namespace.
    """
    if not sandbox.shares_kernel:
        return  # it sets its own kernel's clock
    passed = sandbox.rows_passed(CLOCK_ROWS)
    if passed:
        raise Open(f"it may set the host's clock: {', '.join(passed)}")


@pytest.mark.isolation(
    "time.rtc",
    severity="medium",
    profile="baseline",
    gains="sets the clock that the host reads at boot",
    refs=["rtc(4)", "Documentation/driver-api/ptp.rst"],
    shows=["system.devices", "system.nodes"],
    reproduce="ls -l /dev/rtc* /dev/ptp*",
    remedy="drop --device /dev/rtc0, --device /dev/ptp0 and --privileged",
)
def test_no_hardware_clock_is_there(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    `/dev/rtc*`, `/dev/ptp*` are absent.

    The name counts, and the numbers of the host's own clocks, because a node may have another name.
    The check opens nothing: the kernel allows only one reader of an RTC.
    """
    if not sandbox.shares_kernel:
        return  # its clocks are its machine's
    numbers = {(one.major, one.minor) for one in host_facts.system.devices if is_clock(one)}
    found = [
        one.path
        for one in all_devices(sandbox.system)
        if is_clock(one) or (one.kind == "char" and (one.major, one.minor) in numbers)
    ]
    if found:
        raise Open(f"it also has {', '.join(found)}")
