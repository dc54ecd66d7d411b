"""The box and the folder of the labs of Vagrant's tests."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.machines.box.build import Box, build_box
from provisioner.machines.libvirt.network import LabNet
from provisioner.paths import run_dir


@pytest.fixture(scope="module")
def box() -> Box:
    return build_box()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder for labs; not below tmp_path, which the unprivileged QEMU cannot enter."""
    made = run_dir() / f"labs-{secrets.token_hex(4)}"
    made.mkdir(mode=0o711)
    yield made
    for lab in made.iterdir():  # ends what a failed test has left running
        LabNet(lab).down()
    shutil.rmtree(made, ignore_errors=True)
