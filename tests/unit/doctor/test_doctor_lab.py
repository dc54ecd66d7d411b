"""The doctor's looks at the box and the lab: what is there, and what is not with price and mend."""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes_doctor import FakeSystem, ask

from provisioner.doctor.finding import State
from provisioner.doctor.look import find_looks
from provisioner.doctor.looks import box, lab
from provisioner.errors import IsolationError
from provisioner.machines.lab import load_lab
from provisioner.paths import HOME


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME, str(tmp_path))
    return tmp_path


# box


@pytest.mark.parametrize("tool", ["mmdebstrap", "mke2fs", "qemu-img", "ssh-keygen"])
def test_each_tool_of_a_box_is_there_or_named_with_its_package(tool: str) -> None:
    assert ask("box", tool, FakeSystem(programs={tool: ""})).state == State.OK
    assert ask("box", tool, FakeSystem()).mend.startswith("apt-get install")


def test_a_mirror_is_read_from_apt_and_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "read_mirrors", lambda suite: [f"deb http://nowhere {suite} main"])

    assert ask("box", "Debian mirror", FakeSystem()).seen == "apt's sources name bookworm"


@pytest.mark.parametrize(
    ("file", "text", "seen", "mend"),
    [
        ("sources.list", "deb http://nowhere/debian bookworm main\n", "apt's sources name one", "sudo apt-get update"),
        ("sources.list.d/a.sources", "URIs: http://nowhere/debian/\n", "apt's sources name one", "sudo apt-get update"),
        ("sources.list", "# deb http://nowhere/debian bookworm main\n", "this host's apt has no source", ""),
        ("sources.list", "deb http://nowhere/ubuntu noble main\n", "this host's apt has no source", ""),
    ],
)
def test_without_a_mirror_sources_that_were_never_fetched_are_told_apart(
    file: str, text: str, seen: str, mend: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(suite: str) -> list[str]:
        raise IsolationError("cannot build a box: this host's apt has no source of Debian's", "set the variable")

    (home / file).parent.mkdir(exist_ok=True)
    (home / file).write_text(text)
    monkeypatch.setattr(box, "read_mirrors", none)
    monkeypatch.setattr(box, "APT", home)
    found = ask("box", "Debian mirror", FakeSystem(root=False))

    assert (found.state, found.mend) == (State.LACKING, mend)
    assert found.seen.startswith(seen)


ALL_TOOLS = {"mmdebstrap": "", "mke2fs": "", "qemu-img": "", "ssh-keygen": ""}


@pytest.mark.parametrize(
    ("built", "root", "programs", "free", "state", "mend"),
    [
        (object(), False, {}, 0, State.OK, ""),
        (None, True, ALL_TOOLS, 9 << 30, State.LIMITED, "provisioner box build"),
        (None, False, ALL_TOOLS, 9 << 30, State.LACKING, ""),
        (None, True, {}, 9 << 30, State.LACKING, "apt-get install --no-install-recommends mmdebstrap"),
        (None, True, ALL_TOOLS, 1 << 30, State.LACKING, ""),
    ],
)
def test_a_box_is_built_or_says_what_keeps_it_from_being(
    built: object,
    root: bool,
    programs: dict[str, str],
    free: int,
    state: State,
    mend: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(box, "box_of", lambda machine, build: built)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))

    seen = ask("box", "box", FakeSystem(programs=programs, root=root))

    assert seen.state == state
    assert seen.mend.startswith(mend) if mend else not seen.mend


# lab


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "lab.yaml"


def test_lab_yaml_is_named_with_its_machines(here: Path) -> None:
    here.write_text("machines: {one: {provider: qemu}}\n")

    assert ask("lab", "lab.yaml", FakeSystem()).seen == f"{here}: one (qemu)"


def test_a_lab_yaml_with_a_fault_is_lacking_and_ends_no_other_look(here: Path) -> None:
    here.write_text("machines: {one: {provder: qemu}}\n")

    seen = ask("lab", "lab.yaml", FakeSystem())

    assert seen.state == State.LACKING
    assert "provder" in seen.seen
    assert ask("lab", "vagrant", FakeSystem()).state == State.LACKING


def test_the_lab_needs_vagrant_only_where_a_machine_does(here: Path) -> None:
    def needing() -> set[str]:
        return {one.name for one in find_looks() if "lab" in one.needed_for}

    here.write_text("machines: {one: {provider: vagrant}}\n")
    assert {"vagrant", "vagrant-libvirt", "slirp4netns"} <= needing()
    here.write_text("machines: {one: {provider: qemu}}\n")

    assert needing() == {"lab.yaml", "Python packages", "box", "qemu-img", "emulator"}
    assert load_lab().path == here


def test_packages_of_the_extra_are_found_without_importing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "fabric":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.0")
    assert ask("lab", "Python packages", FakeSystem()).state == State.OK
    monkeypatch.setattr(importlib.metadata, "version", version)
    seen = ask("lab", "Python packages", FakeSystem())

    assert (seen.state, seen.seen, seen.mend) == (State.LACKING, "not installed: fabric", lab.EXTRA)


@pytest.mark.parametrize("name", ["vagrant", "libvirtd", "virsh", "dnsmasq", "slirp4netns"])
def test_programs_of_the_lab_are_there_or_named_with_their_package(name: str) -> None:
    assert ask("lab", name, FakeSystem(programs={name: f"{name} version 1.2.3\n"})).seen == "1.2.3"
    assert ask("lab", name, FakeSystem(programs={name: (1, "", "no libruby\n")})).seen == "does not start: no libruby"
    missing = ask("lab", name, FakeSystem(root=False))

    assert (missing.state, missing.mend.split()[:2]) == (State.LACKING, ["sudo", "apt-get"])


def test_the_plugin_is_asked_for_in_a_home_of_its_own() -> None:
    found = FakeSystem(programs={"vagrant": "1,,x\n1,vagrant-libvirt,plugin-version,0.11.2%!(VAGRANT_COMMA) system\n"})

    assert ask("lab", "vagrant-libvirt", found).seen == "0.11.2"
    assert found.environments[0]["VAGRANT_HOME"] == "/run/scratch"


@pytest.mark.parametrize(
    ("programs", "seen"),
    [
        ({}, "Vagrant is not installed"),
        ({"vagrant": "1,,ui,info,No plugins installed.\n"}, "is not installed for all users"),
        ({"vagrant": (1, "", "broken\n")}, "`vagrant plugin list` fails: broken"),
    ],
)
def test_a_missing_plugin_is_lacking(programs: dict[str, Any], seen: str) -> None:
    found = ask("lab", "vagrant-libvirt", FakeSystem(programs=programs))

    assert (found.state, found.seen) == (State.LACKING, seen)


@pytest.mark.parametrize(("root", "state"), [(True, State.OK), (False, State.LACKING)])
def test_the_labs_network_needs_root(root: bool, state: State) -> None:
    assert ask("lab", "network", FakeSystem(root=root)).state == state
