"""Clocks."""

from __future__ import annotations

import pytest

from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.suite.kernel.test_kernel import shown
from pytest_isolation.walls.filesystem.devices import is_clock
from pytest_isolation.walls.privileged_calls import CLOCK_ROWS, rows_passed


@pytest.mark.isolation(
    "time.set",
    severity="critical",
    profile="baseline",
    gains="moves the clock that certificates, logs and timers of all rely on",
    refs=["settimeofday(2)", "adjtimex(2)", "time_namespaces(7)"],
    shows=shown(*CLOCK_ROWS),
    reproduce="grep CapEff /proc/self/status    # bit 25",
    remedy="drop --cap-add=SYS_TIME",
)
def test_the_wall_clock_cannot_be_set(sandbox: SandboxView) -> None:
    """
    It cannot change the wall clock.

    settimeofday(NULL, NULL) sets nothing and asks for the privilege; so does a tick of 0, which is out of range.  The
    wall clock has no namespace.
    """
    if not sandbox.shares_kernel:
        return  # it sets its own kernel's clock
    passed = rows_passed(sandbox.system, CLOCK_ROWS)
    assert not passed, f"it may set the host's clock: {', '.join(passed)}"


@pytest.mark.isolation(
    "time.rtc",
    severity="medium",
    profile="baseline",
    gains="sets the clock that the host starts from",
    refs=["rtc(4)", "Documentation/driver-api/ptp.rst"],
    shows=["system.devices"],
    reproduce="ls -l /dev/rtc* /dev/ptp*",
    remedy="drop --device /dev/rtc0, --device /dev/ptp0 and --privileged",
)
def test_no_hardware_clock_is_there(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    `/dev/rtc*`, `/dev/ptp*` are absent.

    By name, and by the numbers that the host's own have, for a node may be given under another name.  Nothing is
    opened: the kernel has an RTC of one reader alone.
    """
    if not sandbox.shares_kernel:
        return  # its clocks are its machine's
    numbers = {(one.major, one.minor) for one in host_facts.system.devices if is_clock(one)}
    found = [
        one.path
        for one in sandbox.system.devices
        if is_clock(one) or (one.kind == "char" and (one.major, one.minor) in numbers)
    ]
    assert not found, f"/dev also holds {', '.join(found)}"
