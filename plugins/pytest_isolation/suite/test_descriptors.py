"""Descriptors that the first process was given."""

from __future__ import annotations

import pytest

from pytest_isolation.view import SandboxView


@pytest.mark.isolation(
    "fd.inherited",
    severity="high",
    profile="baseline",
    refs=["CVE-2024-21626", "open(2)"],
    kinds=["container"],
    kinds_reason="a VM inherits no descriptor",
    shows=["process.fds"],
    reproduce="ls -l /proc/1/fd",
    remedy="close all but 0, 1 and 2 before it starts: drop --preserve-fds",
)
def test_only_standard_descriptors_are_open(sandbox: SandboxView) -> None:
    """Only 0, 1, 2 are open at start."""
    more = [f"{fd.fd} ({fd.target})" for fd in sandbox.inside.process.fds if fd.fd > 2]
    assert not more, f"it was given the descriptors {', '.join(more[:4])}"
