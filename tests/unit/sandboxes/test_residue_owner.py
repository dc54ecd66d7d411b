"""provisioner.sandboxes.teardown: whose a process is that bears a namespace's number, and looks that fail."""

from __future__ import annotations

import os
from typing import Any

import pytest

from provisioner.errors import IsolationError
from provisioner.linux.processes import clock_now, read_process
from provisioner.observed import Unobserved
from provisioner.sandboxes import teardown as residue


def test_a_process_that_is_younger_than_the_end_is_another_sandboxs() -> None:
    me = read_process(os.getpid())
    assert me is not None
    own = {"net": os.stat("/proc/self/ns/net").st_ino}
    line = f"process {me.pid} in its net namespace"

    assert line in list(residue._in_namespaces(own, clock_now()))
    assert line not in list(residue._in_namespaces(own, me.start - 1))


def test_what_was_begun_in_it_counts_where_its_first_could_not_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []

    def end_first(*_: Any) -> tuple[list[str], int]:
        begun.append(clock_now())
        raise IsolationError("cannot see the processes left in 'x': 0 of 3")

    monkeypatch.setattr(residue, "end_first", end_first)
    nobody: Any = None

    survivors, ended = residue._ended(nobody, None, None, nobody)

    assert isinstance(survivors, Unobserved)
    assert ended >= begun[0]


@pytest.mark.parametrize("fails", [1, 2])
def test_a_look_that_fails_beside_another_ending_sandbox_is_repeated(
    monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    looks = 0

    def traces(*_: Any) -> list[str]:
        nonlocal looks
        looks += 1
        if looks <= fails:
            raise IsolationError("cannot list the sandboxes of 'runc': stat box-7: no such file or directory")
        return []

    monkeypatch.setattr(residue, "_traces", traces)
    monkeypatch.setattr(residue, "PATIENCE", 60.0)
    nobody: Any = None

    assert residue._left(nobody, None, None, 0) == []
    assert looks == fails + 1


def test_a_look_that_goes_on_failing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def traces(*_: Any) -> list[str]:
        raise IsolationError("cannot list the sandboxes of 'runc': no such command")

    monkeypatch.setattr(residue, "_traces", traces)
    monkeypatch.setattr(residue, "PATIENCE", 0.2)
    nobody: Any = None

    with pytest.raises(IsolationError, match="no such command"):
        residue._left(nobody, None, None, 0)
