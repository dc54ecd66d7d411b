"""A service of a compose file as a runtime: what compose renders stays, and what is changed is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from provisioner.connection.local import Completed
from provisioner.errors import IsolationError
from provisioner.runtimes import compose, compose_words
from provisioner.runtimes.command_line import read_command
from provisioner.runtimes.compose import services_of
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.users_files import fill

VALUES = {"probe": "/cache/probe", "nonce": "00ff", "name": "isolation-1-1", "run": "1", "project": "/run/p.json"}
FILE = """
name: users
services:
  web:
    image: me/app
    command: [sh, -c, "echo $$HOME {{x}}"]
    container_name: fixed
    ports: [{published: 8080, target: 80}]
    restart: always
    depends_on: {db: {condition: service_started}}
    cap_add: [SYS_ADMIN]
    networks: {back: {ipv4_address: 10.0.0.5}}
    volumes: ["data:/data:rw"]
  db: {image: me/db, profiles: [p]}
  built: {build: .}
  near: {image: me/app, network_mode: "service:web"}
networks:
  back: {name: users_back, ipam: {config: [{subnet: 10.0.0.0/24}]}}
  theirs: {external: true, name: theirs}
volumes:
  data: {name: users_data}
"""


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """docker-compose renders FILE; the commands that were run."""
    asked: list[list[str]] = []

    def run(argv: Sequence[str], seconds: float) -> Completed:
        asked.append(list(argv))
        return Completed(tuple(argv), 0, FILE.encode(), b"")

    compose._rendered.cache_clear()
    monkeypatch.setattr(compose, "run_command", run)
    (tmp_path / "c.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return asked


def made_of(text: str) -> dict[str, Any]:
    """Return the project's document that is made of a command line."""
    project = read_command(text).runtime.project
    assert project is not None
    document: dict[str, Any] = json.loads(fill(project.text, VALUES))
    return document


@pytest.mark.parametrize("program", ["docker-compose", "docker compose"])
def test_compose_itself_starts_the_service_with_the_probe(rendered: list[list[str]], program: str) -> None:
    command = read_command(f"{program} -f c.yaml run web sh -l")
    runtime = command.runtime
    (name,) = render_argv([runtime.project.name if runtime.project else ""], VALUES, "name")

    assert rendered == [[*program.split(), "-f", "c.yaml", "config"]]
    assert command.name == "web"
    assert render_argv(runtime.create, VALUES, "create") == [
        *program.split(), "-p", name, "-f", "/run/p.json", "run", "--rm", "-T", "--no-deps", "--use-aliases",
        "--name", "isolation-1-1", "--label", "isolation.run=1", "--volume", "/cache/probe:/probe:ro",
        "--entrypoint", "/probe", "web", "serve", "00ff",
    ]  # fmt: skip
    assert render_argv(runtime.untouched or [], VALUES, "untouched")[-5:] == [
        "up", "--no-start", "--no-deps", "--no-build", "web",
    ]  # fmt: skip
    assert render_argv([runtime.untouched_name], VALUES, "name") == [f"{name}-web"]


def test_what_is_changed_of_the_file_is_told(rendered: list[list[str]]) -> None:
    assert read_command("docker-compose -p mine -f c.yaml run -d web sh").changed == (
        "-p mine replaced by a project of this run",
        "-d taken out",
        "sh replaced by the probe",
        "container_name taken out: the container has a name of this run",
        "back.ipv4_address taken out",
        "command replaced by the probe",
        "published ports taken out",
        "restart: always taken out",
        "depends_on taken out: no other service is started",
        "the addresses of the network back taken out",
    )


def test_the_rest_of_the_file_stays_and_all_names_are_of_the_run(rendered: list[list[str]]) -> None:
    document, wanted = made_of("docker-compose -f c.yaml up web"), made_of("docker-compose -f c.yaml run web")
    web = document["services"]["web"]
    command = read_command("docker-compose -f c.yaml up web").runtime
    assert command.project is not None
    deleted = [render_argv(argv, VALUES, "delete") for argv in command.project.delete]
    (name,) = render_argv([command.project.name], VALUES, "name")

    assert document == wanted
    assert web["command"] == ["sh", "-c", "echo $$HOME {{x}}"]
    assert web["cap_add"] == ["SYS_ADMIN"]
    assert web["container_name"] == f"{name}-web"
    assert name.startswith("isolation-1-")
    assert document["networks"] == {"back": {}, "theirs": {"external": True, "name": "theirs"}}
    assert document["volumes"] == {"data": {}}
    assert "name" not in document
    assert deleted == [
        ["docker", "volume", "rm", f"{name}_data"],
        ["docker", "network", "rm", f"{name}_back"],
        ["docker", "network", "rm", f"{name}_default"],
        ["docker", "rm", "--force", "--volumes", f"{name}-web"],
    ]


def test_services_that_cannot_be_started_say_why(rendered: list[list[str]]) -> None:
    lacks = services_of(["docker-compose", "-f", "c.yaml"])

    assert lacks["web"] is None
    assert lacks["built"] == ("it is built and has no image", "build it, and add its name: image: NAME")
    assert lacks["db"] == ("it has profiles", "name it: --isolation-service=db")
    assert lacks["near"]
    assert lacks["near"][0] == "its network_mode needs another service"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("docker-compose -f c.yaml run wbe", "has no such service; did you mean 'web'?"),
        ("docker-compose -f c.yaml run built", "it is built and has no image; build it"),
        ("docker-compose -f c.yaml runn web", "'runn' starts no service; did you mean 'run'?"),
        ("docker-compose -f c.yaml up web db", "a column is one service"),
        ("docker-compose -f c.yaml run", "it names no service"),
        ("docker-compose -f c.yaml run -v /:/x web", "its option '-v' is not known here"),
        ("docker-compose --fil c.yaml run web", "its option '--fil' is not known here; did you mean '--file'?"),
        ("docker-compose -f d.yaml run web", "cannot read 'd.yaml': no such file; did you mean 'c.yaml'?"),
    ],
)
def test_what_cannot_be_served_is_one_line(rendered: list[list[str]], text: str, error: str) -> None:
    with pytest.raises(IsolationError) as caught:
        read_command(text)

    assert error in str(caught.value)


def test_composes_own_error_is_quoted(rendered: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    failed: Callable[..., Completed] = lambda argv, seconds: Completed(tuple(argv), 1, b"", b"invalid:\n imgae\n")  # noqa: E731
    monkeypatch.setattr(compose, "run_command", failed)

    with pytest.raises(IsolationError, match=r"cannot read 'c\.yaml': docker-compose says: invalid: imgae"):
        read_command("docker-compose -f c.yaml run web")


def test_the_first_program_that_answers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(argv: Sequence[str], seconds: float) -> Completed:
        return Completed(tuple(argv), 1 if argv[1] == "compose" else 0, b"", b"")

    monkeypatch.setattr(compose_words, "find_program", lambda name: f"/bin/{name}")
    monkeypatch.setattr(compose_words, "run_command", answer)
    second = compose_words.installed_program()
    monkeypatch.setattr(compose_words, "find_program", lambda name: None)

    assert second == ["docker-compose"]
    with pytest.raises(IsolationError, match="none of docker compose, docker-compose is installed; apt-get install"):
        compose_words.installed_program()
