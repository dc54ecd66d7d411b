"""The lab's Vagrant gets built boxes and the user's boxes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.machines.box.build import Box
from provisioner.machines.vagrant.boxes import add_built_box, box_name, link_user_box
from provisioner.machines.vagrant.program import VagrantProgram


def test_a_box_is_added_once_with_a_version(
    program: VagrantProgram, fake_vagrant: Callable[[str], Path], box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioner.machines.vagrant.boxes.package_box", lambda box: Path("/boxes/debian12.box"))
    folder = program.directory / "home" / "boxes" / box_name(box) / "1" / "amd64" / "libvirt"
    calls = fake_vagrant(f"mkdir -p {folder}; touch {folder}/metadata.json")
    add_built_box(program, box)
    add_built_box(program, box)

    catalogue = program.directory / "catalogue.json"
    assert calls.read_text() == f"box add isolation-debian12-abc {catalogue} --provider libvirt\n"
    versions = [{"version": "1", "providers": [{"name": "libvirt", "url": "file:///boxes/debian12.box"}]}]
    assert json.loads(catalogue.read_text()) == {"name": "isolation-debian12-abc", "versions": versions}


def test_a_truncated_box_file_is_an_error(program: VagrantProgram, fake_vagrant: Callable[[str], Path]) -> None:
    fake_vagrant("echo 'The box failed to unpackage properly. Please verify that the box' >&2; exit 1")

    with pytest.raises(
        IsolationError, match=r"cannot add the box 'a/b': Vagrant: the box file is damaged or truncated; get"
    ):
        program.add_box("a/b", Path("/cut.box"))


def test_a_box_of_the_users_vagrant_is_linked(
    program: VagrantProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own" / "boxes" / "debian-VAGRANTSLASH-bookworm64"
    own.mkdir(parents=True)
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "own"))
    link_user_box(program, "debian/bookworm64")
    link_user_box(program, "debian/bookworm64")
    link_user_box(program, "not/there")

    boxes = program.directory / "home" / "boxes"
    assert [path.name for path in boxes.iterdir()] == ["debian-VAGRANTSLASH-bookworm64"]
    assert (boxes / own.name).resolve() == own
