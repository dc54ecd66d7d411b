"""Own roles are found before the packaged ones, and replace them as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.paths import ROLES
from provisioner.role_folders import VARIABLE, add_roles, add_roles_beside, find_own_roles, role_folders, role_roots
from provisioner.runtimes.load import load_runtime, runtime_names
from pytest_isolation.policy.remedies import load_remedies

RUNTIME = (ROLES / "unshare" / "runtime.yaml").read_text("utf-8")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No own roles before, and none after: monkeypatch restores what a test sets by os.environ, too."""
    monkeypatch.setenv(VARIABLE, "")


def role(folder: Path, name: str, **files: str) -> Path:
    """Write files of a role: runtime="…" is its runtime.yaml."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / name / f"{file}.yaml").write_text(text, "utf-8")
    return folder


def test_without_own_roles_the_packaged_ones_are_found() -> None:
    assert role_roots() == [ROLES]
    assert role_folders("runtime.yaml")["runc"] == ROLES / "runc"


def test_an_own_role_is_found_beside_the_packaged_ones(tmp_path: Path) -> None:
    add_roles(role(tmp_path, "mine", runtime=RUNTIME.replace("title: ", "title: my own ", 1)))

    assert load_runtime("mine").title.startswith("my own ")
    assert {"mine", "runc"} < set(runtime_names())


def test_an_own_role_replaces_a_packaged_one_as_a_whole(tmp_path: Path) -> None:
    add_roles(role(tmp_path, "docker", runtime=RUNTIME))

    assert role_folders("runtime.yaml")["docker"] == tmp_path / "docker"
    assert "docker" not in role_folders("expected.yaml"), "the packaged exceptions are not those of another runtime"
    assert "runc" in role_folders("expected.yaml")


def test_the_last_folder_that_was_added_decides(tmp_path: Path) -> None:
    for name in ("first", "second"):
        add_roles(role(tmp_path / name, "mine", runtime=RUNTIME))

    assert role_folders("runtime.yaml")["mine"] == tmp_path / "second" / "mine"
    assert os.environ[VARIABLE].split(os.pathsep) == [str(tmp_path / "second"), str(tmp_path / "first")]


def test_a_folder_is_added_once(tmp_path: Path) -> None:
    role(tmp_path, "mine", runtime=RUNTIME)
    add_roles(tmp_path)
    add_roles(tmp_path / "mine" / "..")
    add_roles(ROLES)

    assert role_roots() == [tmp_path, ROLES]


def test_an_own_role_may_be_like_a_packaged_one(tmp_path: Path) -> None:
    mine = role(tmp_path, "remedied", runtime=RUNTIME, remedies='like: runc\nremedies: {ns.net: "my own remedy"}\n')
    add_roles(mine)

    found = load_remedies("remedied").remedies
    assert found["ns.net"] == "my own remedy"
    assert len(found) > 100


@pytest.mark.parametrize("missing", ["no folder", "no role"])
def test_a_folder_without_roles_is_refused(tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "roles"
    if missing == "no role":
        (folder / "web" / "tasks").mkdir(parents=True)

    with pytest.raises(IsolationError, match=missing):
        add_roles(folder)


@pytest.mark.parametrize("file", ["lab.yaml", "isolation.yaml"])
def test_roles_beside_a_file_of_the_user_are_found(tmp_path: Path, file: str) -> None:
    role(tmp_path / "roles", "mine", runtime=RUNTIME)
    (tmp_path / file).write_text("")

    find_own_roles(tmp_path)

    assert "mine" in runtime_names()


def test_a_folder_of_another_tools_roles_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "roles" / "web" / "tasks").mkdir(parents=True)
    (tmp_path / "lab.yaml").write_text("")

    find_own_roles(tmp_path)

    assert role_roots() == [ROLES]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user: run as root")
def test_root_takes_no_roles_of_another_user(tmp_path: Path) -> None:
    role(tmp_path / "roles", "mine", runtime=RUNTIME)
    file = tmp_path / "lab.yaml"
    file.write_text("")
    os.chown(tmp_path / "roles", 4321, 4321)

    with pytest.raises(IsolationError, match="belongs to uid 4321"):
        add_roles_beside(file)
    os.chown(file, 4321, 4321)
    add_roles_beside(file)
    assert "mine" in runtime_names()
