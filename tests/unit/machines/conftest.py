"""Fixtures for machines: a journal, a box of empty files, and a fake `vagrant`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioner.journal.run import Run
from provisioner.machines.box.build import Box
from provisioner.machines.vagrant.program import VagrantProgram


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A run whose journal lies in the test's own home."""
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path / "home"))
    with Run.start() as started:
        yield started


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A box of empty files."""
    folder = tmp_path / "box"
    folder.mkdir()
    files = {name: folder / name for name in ("disk", "kernel", "initrd", "private_key")}
    for path in files.values():
        path.touch()
    return Box("debian12", "abc", folder, cmdline="quiet", user="root", host_key="ssh-ed25519 AAAAC3Nz", **files)


@pytest.fixture
def program(tmp_path: Path, run: Run) -> VagrantProgram:
    """A lab's Vagrant."""
    return VagrantProgram(tmp_path / "vagrant", run)


@pytest.fixture
def fake_vagrant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that installs a shell script as `vagrant`; it returns the file that lists the calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def install(body: str) -> Path:
        script = folder / "vagrant"
        script.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n{body}\n')
        script.chmod(0o755)
        return tmp_path / "calls"

    return install
