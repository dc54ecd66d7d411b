"""The commands for boxes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from provisioner.cli.box import app
from provisioner.errors import IsolationError
from provisioner.machines.box.build import Box
from provisioner.machines.box.recipe import recipe_hash
from provisioner.machines.find import role_packages
from provisioner.paths import cache_dir

LAB = """\
machines:
  web: {bake: [runc]}
  db: {bake: [runc], provider: qemu}
  plain: {}
  public: {box: debian/bookworm64}
"""


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab.yaml").write_text(LAB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path / "home"))


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """The names and packages of the boxes that were built."""
    asked: list[tuple[str, list[str]]] = []

    def build(name: str, packages: list[str]) -> Box:
        asked.append((name, packages))
        parts = (tmp_path / name, tmp_path / "disk", tmp_path / "kernel", tmp_path / "initrd", "", "root")
        return Box(name, "hash", *parts, tmp_path / "key", "ssh-ed25519 AAAA")

    monkeypatch.setattr("provisioner.machines.box.build.build_box", build)
    monkeypatch.setattr("provisioner.machines.box.build.package_box", lambda box: box.directory / f"{box.name}.box")
    return asked


def invoke(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    if done.exception:
        raise done.exception
    return done.stdout


def put(name: str, mark: str, baked: str | None) -> None:
    folder = cache_dir() / "boxes" / f"{name}-{mark}"
    folder.mkdir(parents=True)
    (folder / "disk.qcow2").write_bytes(b"x" * (3 << 20))
    if baked is not None:
        (folder / "baked.json").write_text(baked)


def test_all_boxes_of_the_lab_are_built_each_once(built: list[tuple[str, list[str]]], tmp_path: Path) -> None:
    assert invoke("build").splitlines() == [str(tmp_path / "debian12")] * 2
    assert built == [("debian12", sorted(role_packages(["runc"]))), ("debian12", [])]


def test_a_named_box_has_the_roles_of_the_option(built: list[tuple[str, list[str]]]) -> None:
    invoke("build", "debian12", "--bake", "runc,podman")

    assert built == [("debian12", role_packages(["runc", "podman"]))]
    assert "runc" in built[0][1]


def test_packing_prints_the_path(built: list[tuple[str, list[str]]], tmp_path: Path) -> None:
    assert invoke("package", "debian12") == f"{tmp_path}/debian12/debian12.box\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("build", "--bake", "runc"), "cannot bake roles into the lab's boxes; name a box, or write `bake:`"),
        (("build", "debian12", "--bake", "rnuc"), "cannot find role 'rnuc'; did you mean 'runc'"),
        (("build", "nosuch"), "cannot build box 'nosuch': no such recipe"),
    ],
)
def test_impossible_options_are_a_one_line_error(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(IsolationError) as caught:
        invoke(*words)
    assert str(caught.value).startswith(message)


def test_the_list_has_baked_roles_and_machines() -> None:
    baked = sorted(role_packages(["runc"]))
    ours = recipe_hash("debian12", baked)
    put("debian12", ours, json.dumps(baked))
    put("debian12", "000000000000", None)
    lines = [line.split() for line in invoke("list").splitlines()]

    assert lines[1] == ["debian12", "000000000000", "3", "MiB", "?", "-"]
    assert lines[2] == ["debian12", ours, "3", "MiB", "runc", "web,", "db"]
    assert lines[3] == ["debian12", "not", "built", "0", "MiB", "-", "plain"]
    assert lines[4] == ["next:", "provisioner", "box", "build"]


def test_the_list_is_printed_as_json() -> None:
    put("debian12", "000000000000", "[]")
    first = json.loads(invoke("list", "--json"))[0]

    assert (first["box"], first["hash"], first["baked"], first["machines"]) == ("debian12", "000000000000", [], [])
