"""lab.yaml is read strictly, and errors name file and line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest

from provisioner.errors import IsolationError
from provisioner.machines import lab as module
from provisioner.machines.box.recipe import recipe_hash
from provisioner.machines.find import role_packages
from provisioner.machines.lab import MachineSpec, find_lab, load_lab
from provisioner.paths import PACKAGE
from provisioner.role_folders import role_folders


def load(folder: Path, text: str) -> module.Lab:
    path = folder / "lab.yaml"
    path.write_text(text)
    return load_lab(path)


def error_of(folder: Path, text: str) -> str:
    with pytest.raises(IsolationError) as caught:
        load(folder, text)
    return str(caught.value).removeprefix(f"{folder}/")


def test_omitted_keys_have_defaults(tmp_path: Path) -> None:
    lab = load(tmp_path, "machines:\n  web: {}\n")

    assert {"web": MachineSpec(name="web")} == lab.machines
    assert (
        lab.machines["web"].box,
        lab.machines["web"].cpus,
        lab.machines["web"].memory,
        lab.machines["web"].cgroup,
        lab.machines["web"].provider,
        lab.machines["web"].driver,
    ) == ("debian12", 2, 1024, "v2", "vagrant", None)


def test_the_packaged_lab_has_both_cgroup_versions() -> None:
    lab = load_lab(PACKAGE / "lab.yaml")

    assert {name: spec.cgroup for name, spec in lab.machines.items()} == {"debian12": "v2", "debian12-v1": "v1"}
    roles = ["docker", "podman", "runc", "lxc", "nspawn", "bwrap", "crun"]
    assert lab.machines["debian12"].roles == lab.machines["debian12"].bake == roles


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("machines:\n  web:\n    memroy: 512\n", "lab.yaml:3: unknown key 'memroy'; did you mean 'memory'?"),
        ("machine: {}\n", "lab.yaml:1: unknown key 'machine' (and 1 more); did you mean 'machines'?"),
        ("machines: {}\n", "lab.yaml:1: machines: Dictionary should have at least 1 item"),
        ("machines:\n  web: {cgroup: v3}\n", "lab.yaml:2: machines.web.cgroup: should be 'v2' or 'v1', not 'v3'"),
        (
            'machines:\n  web: {memory: "512"}\n',
            "lab.yaml:2: machines.web.memory: should be a valid integer, not '512'",
        ),
        ("machines:\n  web: {roles: [dokcer]}\n", "no such role 'dokcer', did you mean 'docker'?"),
        ("machines:\n  web: {roles: [docker, docker]}\n", "the role 'docker' is listed twice"),
        ("machines:\n  web: {roles: [../docker]}\n", "no such role '../docker'"),
        ("machines:\n  Web_1: {}\n", "the key 'Web_1' is not allowed"),
        ("machines:\n  web: {}\n  web: {}\n", "lab.yaml:3: the key 'web' appears twice"),
        ("machines: [\n", "not YAML"),
        ("machines:\n  web: {box: ../../etc}\n", "machines.web.box: String should match pattern"),
        ("machines:\n  web: {name: other}\n", "unknown key 'name'"),
        (
            "machines:\n  web: {box: debain12}\n",
            "web.box: should be a box built here (debian12), or a box that Vagrant knows, with a '/', not 'debain12'",
        ),
        ("machines:\n  web: {box: a/b, box_version: 12.1}\n", "box_version: should be a valid string, not 12.1"),
        ('machines:\n  web: {box: a/b, box_version: ">= 12"}\n', "machines.web.box_version: String should match"),
        ('machines:\n  web: {box_version: "1"}\n', "web: box_version: only a box that Vagrant knows has a version"),
        ("machines:\n  web: {box: a/b, cgroup: v1}\n", "lab.yaml:2: machines.web: cgroup: v1 needs a box built here"),
        ("machines:\n  web: {box: a/b, bake: [docker]}\n", "machines.web: bake: only a box built here"),
        ("machines:\n  web: {box: a/b, provider: qemu}\n", "web: provider: qemu boots only boxes built here"),
        ("machines:\n  web: {hypervisor: hyperv}\n", "web: hypervisor: hyperv needs a box that Vagrant knows"),
        ("machines:\n  web: {hypervisor: hyper, box: a/b}\n", "not 'hyper'; did you mean 'hyperv'?"),
        (
            "machines:\n  web: {hypervisor: parallels, box: a/b, driver: kvm}\n",
            "machines.web: driver: only the hypervisor libvirt has a driver",
        ),
    ],
)
def test_an_error_is_one_line_with_file_and_line(text: str, message: str, tmp_path: Path) -> None:
    lab = error_of(tmp_path, text)

    assert message in lab
    assert "\n" not in lab


def test_a_box_that_vagrant_knows_has_a_version_and_a_hypervisor(tmp_path: Path) -> None:
    keys = '{box: debian/bookworm64, box_version: "12.20240905.1", hypervisor: virtualbox}'
    lab = load(tmp_path, f"machines:\n  web: {keys}\n").machines["web"]

    assert (lab.box, lab.box_version, lab.hypervisor) == ("debian/bookworm64", "12.20240905.1", "virtualbox")


def test_variables_keep_their_types(tmp_path: Path) -> None:
    lab = load(tmp_path, "machines:\n  web:\n    variables: {a: true, b: 5, c: 1.5, d: text, e: 0x10}\n")

    assert lab.machines["web"].variables == {"a": True, "b": 5, "c": 1.5, "d": "text", "e": 16}
    assert lab.machines["web"].variables["a"] is True


def test_the_nearest_file_upwards_is_used_then_the_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text("machines:\n  web: {}\n")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)

    assert tmp_path / "lab.yaml" == find_lab(deep)
    assert find_lab(Path("/")) == PACKAGE / "lab.yaml"


def test_two_labs_have_two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path / "home"))
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = (load(tmp_path / name, "machines:\n  web: {}\n") for name in ("one", "two"))

    assert one.directory != two.directory
    assert one.directory == load_lab(tmp_path / "one" / "lab.yaml").directory
    assert one.directory.is_dir()
    assert one.directory.stat().st_mode & 0o777 == 0o711


def test_an_unknown_machine_suggests_the_nearest_name(tmp_path: Path) -> None:
    lab = load(tmp_path, "machines:\n  web: {}\n")

    assert lab.machine("web").name == "web"
    with pytest.raises(IsolationError, match="cannot find machine 'wed'; did you mean 'web'"):
        lab.machine("wed")


def test_the_published_schema_refuses_unknown_keys() -> None:
    schema = json.loads((PACKAGE / "schemas" / "lab.schema.json").read_text())

    jsonschema.validate({"machines": {"web": {"memory": 512}}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"machines": {"web": {"memroy": 512}}}, schema)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users: run as root")
@pytest.mark.parametrize(("owner", "refused"), [(0, False), (1000, False), (65534, True)])
def test_root_uses_no_lab_of_a_third_user_above_the_folder(tmp_path: Path, owner: int, refused: bool) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "lab.yaml").touch()
    os.chown(tmp_path / "project", 1000, 1000)
    os.chown(tmp_path / "lab.yaml", owner, owner)

    if refused:
        with pytest.raises(IsolationError, match="it belongs to uid 65534"):
            find_lab(tmp_path / "project")
    else:
        assert find_lab(tmp_path / "project") == tmp_path / "lab.yaml"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a link to another user: run as root")
def test_root_uses_no_lab_file_by_a_link_of_a_third_user(tmp_path: Path) -> None:
    """The link may lead to another file between the look and the reading."""
    (tmp_path / "project").mkdir()
    (tmp_path / "file").write_text("machines:\n  web: {}\n")
    (tmp_path / "lab.yaml").symlink_to("file")
    assert find_lab(tmp_path / "project") == tmp_path / "lab.yaml"
    os.chown(tmp_path / "lab.yaml", 65534, 65534, follow_symlinks=False)

    with pytest.raises(IsolationError, match="it belongs to uid 65534"):
        find_lab(tmp_path / "project")


def test_the_packages_of_every_role_can_be_baked_into_a_box_of_any_debian() -> None:
    packages = role_packages(list(role_folders("role.yaml")))

    assert {"docker.io", "podman", "lxc"} <= set(packages)
    assert "docker-cli" not in packages  # Debian 12 has no such package
    assert len(recipe_hash("debian12", packages)) == 12
