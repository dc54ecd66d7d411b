"""`provisioner new-runtime`: the commented files are valid, and those of another runtime are copied."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from provisioner.cli.main import app
from provisioner.errors import IsolationError
from provisioner.role_folders import VARIABLE, add_roles
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.skeleton import new_role
from pytest_isolation.policy.expected import load_expected
from pytest_isolation.policy.remedies import load_remedies


def write(folder: Path, name: str, like: str = "") -> Path:
    (folder / name).mkdir()
    for file, text in new_role(name, like).items():
        (folder / name / file).write_text(text, "utf-8")
    return folder


def test_the_commented_files_can_be_read(tmp_path: Path) -> None:
    runtime = load_runtime("mine", write(tmp_path, "mine"))

    assert runtime.binary == "mine"
    assert "NAME" not in runtime.model_dump_json()
    assert load_expected(tmp_path / "mine" / "expected.yaml").root == {}
    assert load_remedies("mine", tmp_path).remedies == {}


def test_the_commented_examples_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    add_roles(write(tmp_path, "mine"))
    for file in ("expected.yaml", "remedies.yaml"):
        path = tmp_path / "mine" / file
        text = path.read_text("utf-8")
        example = re.sub(r"^# ?(?=\S+:|  )", "", text[text.index("#\n") + 2 :], flags=re.M)
        path.write_text(example, "utf-8")

    assert list(load_expected(tmp_path / "mine" / "expected.yaml").root) == ["kern.dmesg"]
    assert load_remedies("mine").remedies["nnp.set"] == "--no-new-privileges"


def test_the_files_of_another_runtime_are_copied(tmp_path: Path) -> None:
    runtime = load_runtime("mine", write(tmp_path, "mine", "docker"))

    assert runtime.model_copy(update={"name": "docker"}).create == load_runtime("docker").create
    assert (tmp_path / "mine" / "remedies.yaml").read_text() == "like: docker\n"
    assert not (tmp_path / "mine" / "role.yaml").exists()
    assert "$schema" not in (tmp_path / "mine" / "runtime.yaml").read_text()


@pytest.mark.parametrize("name", ["", "Mine", "my-own", "a+b", "../up", "a/b", "docker"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(IsolationError, match=r"cannot (name|make)"):
        new_role(name)


def test_the_command_writes_them_once_and_says_what_is_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("isolation.yaml").touch()

    done = CliRunner().invoke(app, ["new-runtime", "mine"])

    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == "next: pytest --isolation-check-runtime=mine"
    assert sorted(path.name for path in Path("roles/mine").iterdir()) == [
        "expected.yaml",
        "remedies.yaml",
        "runtime.yaml",
    ]
    again = CliRunner().invoke(app, ["new-runtime", "mine"])
    assert isinstance(again.exception, IsolationError)


def test_roles_that_are_not_found_by_themselves_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(app, ["new-runtime", "mine", "--directory", "own"])

    assert done.output.splitlines()[-1] == "next: pytest --isolation-check-runtime=mine --isolation-roles=own"
