"""Calls `provisioner` in a test, and returns how it ended."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from fakes_machines import FakeLab

from provisioner.cli.main import app
from provisioner.faults.report import run_reported

LAB = """\
machines:
  web: {provider: qemu, roles: [runc], memory: 512}
  db: {provider: qemu}
"""


@dataclass(frozen=True)
class Result:
    """
    How a command ended.

    Args:
        status: its exit status.
        out: its standard output.
        err: its standard error.
    """

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.out.splitlines()


Command = Callable[..., Result]


def make_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs `provisioner` with some arguments in this process."""

    def run(*words: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["provisioner", *words])
        capsys.readouterr()
        status = run_reported("provisioner", app)
        output = capsys.readouterr()
        return Result(int(status or 0), output.out, output.err)

    return run


def set_running(fake: FakeLab, *names: str) -> None:
    """Let machines run, with their converged snapshots; all of the lab by default."""
    for name in names or tuple(fake.machines):
        fake[name].status, fake[name].snapshots = "running", [fake.tag(name)]
