"""Engines are identified, and what they do not answer is unknown: table of recorded and documented answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provisioner.connection.local import Completed
from provisioner.errors import IsolationError
from provisioner.observed import Unobserved
from provisioner.runtimes.engine import Engine
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.locate import EngineSeen, read_engine
from provisioner.runtimes.settings import SettingSeen, read_settings

# podman 4.3.1 as podman-docker runs it; its service as docker's client shows it (pkg/api/handlers/compat/version.go)
PODMAN_PROGRAM = {
    "Client": {
        "APIVersion": "4.3.1",
        "Version": "4.3.1",
        "GoVersion": "go1.19.8",
        "OsArch": "linux/amd64",
        "Os": "linux",
    }
}
PODMAN_SERVICE = {
    "Client": {"Version": "28.2.2", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64", "Context": "default"},
    "Server": {
        "Platform": {"Name": "linux/amd64/debian-12"},
        "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}],
    },
}
DOCKER = {
    "Client": {"Version": "28.2.2", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64", "Context": "default"},
    "Server": {"Platform": {"Name": ""}, "Components": [{"Name": "Engine", "Version": "20.10.24+dfsg1"}]},
}
NO_DAEMON = {"Client": DOCKER["Client"], "Server": None}


class OneAnswer:
    """A connection on which every command answers the same."""

    name = "local"

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def run(self, argv: list[str], *_: Any, **__: Any) -> Completed:
        return Completed(tuple(argv), 0, self._answer, b"")


def line(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("runtime", "answer", "other"),
    [
        ("docker", line(PODMAN_PROGRAM), "podman"),
        ("docker", line(PODMAN_SERVICE), "podman"),
        (
            "docker",
            b"null\nEmulate Docker CLI using podman. Create /etc/containers/nodocker",
            "podman",
        ),
        ("docker", line(DOCKER), ""),
        ("docker", line(NO_DAEMON), ""),
        ("docker", b"", ""),
        ("runc", b"crun version 1.8.1\ncommit: f8a0\n", "crun"),
        ("runc", b"runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\n", ""),
        ("crun", b"runc version 1.1.5+ds1\n", "runc"),
        ("crun", b"crun version 1.8.1\n", ""),
    ],
)
def test_another_program_behind_the_name_is_refused(runtime: str, answer: bytes, other: str) -> None:
    engine = Engine(load_runtime(runtime), OneAnswer(answer))  # type: ignore[arg-type]  # as much of a connection as it uses

    if not other:
        engine.refuse_other({})
        return
    with pytest.raises(IsolationError, match=f"what answers as '{runtime}' is {other}") as error:
        engine.refuse_other({})
    assert error.value.hint == f"name it: --isolation-runtime={other}, --isolation-attach={other}:NAME"


def test_the_servers_version_counts_and_none_is_read_without_a_server() -> None:
    version = load_runtime("docker").version

    assert version is not None
    assert [version.read(line(one)) for one in (DOCKER, NO_DAEMON, PODMAN_PROGRAM)] == ["20.10.24+dfsg1", "", ""]


def settings(runtime: str, answer: Any) -> dict[str, SettingSeen]:
    found = load_runtime(runtime).settings
    assert found is not None
    return {one.name: one for one in read_settings(found, line(answer), runtime)}


@pytest.mark.parametrize(
    ("runtime", "answer", "name", "value"),
    [
        ("docker", {"SecurityOptions": ["name=seccomp,profile=default"]}, "seccomp", "name=seccomp,profile=default"),
        ("docker", {"SecurityOptions": []}, "seccomp", ""),
        ("docker", {"SecurityOptions": None}, "seccomp", None),  # the client's word for a key that the daemon lacks
        ("docker", {}, "seccomp", None),
        ("docker", {"Swarm": {"LocalNodeState": ""}}, "swarm", ""),
        ("docker", {"ServerErrors": ["cannot connect"]}, "swarm", None),
        ("podman", {"host": {"security": {"seccompEnabled": True}}}, "seccomp", "true"),
        ("podman", {"host": {"security": {"seccompEnabled": False}}}, "seccomp", "false"),
        ("podman", {"host": {"security": {}}}, "seccomp", None),
        ("podman", {"host": {}}, "default_capabilities", None),
        ("podman", {"host": {"security": {"seccompProfilePath": ""}}}, "seccomp_profile", ""),
        ("podman", {"host": {"security": {"rootless": True}}}, "seccomp_profile", None),
    ],
)
def test_a_setting_that_the_engine_does_not_answer_is_unobserved(
    runtime: str, answer: Any, name: str, value: str | None
) -> None:
    found = settings(runtime, answer)[name].raw("value")

    assert found == value if value is not None else isinstance(found, Unobserved)
    assert value is not None or found.why == f"'{runtime}' does not answer {name}"


def context(name: str, host: str) -> list[dict[str, Any]]:
    return [{"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}]


def podman_info(remote: bool, path: str) -> dict[str, Any]:
    return {"host": {"serviceIsRemote": remote, "remoteSocket": {"exists": remote, "path": path}}}


# Docker Desktop, podman machine and rootless docker as their documentation shows them; not verified here.
@pytest.mark.parametrize(
    ("runtime", "answer", "variables", "expected"),
    [
        ("docker", context("default", "unix:///var/run/docker.sock"), {}, ("unix:///var/run/docker.sock", "")),
        (
            "docker",
            context("default", "tcp://10.0.0.7:2376"),
            {"DOCKER_HOST": "tcp://10.0.0.7:2376"},
            ("tcp://10.0.0.7:2376", "DOCKER_HOST"),
        ),
        (
            "docker",
            context("default", "ssh://me@box"),
            {"DOCKER_HOST": "ssh://me@box", "DOCKER_CONTEXT": "other"},
            ("ssh://me@box", "DOCKER_HOST"),
        ),
        ("docker", context("lab", "ssh://me@lab"), {"DOCKER_CONTEXT": "lab"}, ("ssh://me@lab", "DOCKER_CONTEXT")),
        ("docker", context("lab", "ssh://me:word@lab"), {}, ("ssh://lab", "context 'lab'")),  # currentContext
        (
            "docker",
            context("desktop-linux", "unix:///home/me/.docker/desktop/docker.sock"),
            {},
            ("unix:///home/me/.docker/desktop/docker.sock", "context 'desktop-linux'"),
        ),
        (
            "docker",
            context("rootless", "unix:///run/user/1000/docker.sock"),
            {},
            ("unix:///run/user/1000/docker.sock", "context 'rootless'"),
        ),
        ("docker", "not what it prints", {}, ("", "")),
        ("podman", podman_info(False, "/run/podman/podman.sock"), {}, None),
        (
            "podman",
            podman_info(True, "unix:///run/podman/podman.sock"),
            {"CONTAINER_HOST": "unix:///tmp/p.sock"},
            ("unix:///run/podman/podman.sock", "CONTAINER_HOST"),
        ),
        (
            "podman",  # podman machine: a connection of podman-system-connection(1) to its VM
            podman_info(True, "unix:///run/user/501/podman/podman.sock"),
            {"CONTAINER_CONNECTION": "podman-machine-default"},
            ("unix:///run/user/501/podman/podman.sock", "CONTAINER_CONNECTION"),
        ),
    ],
)
def test_a_client_tells_where_its_daemon_is(
    runtime: str, answer: Any, variables: dict[str, str], expected: tuple[str, str] | None
) -> None:
    locate = load_runtime(runtime).locate

    assert locate is not None
    seen = read_engine(locate, line(answer), variables)
    assert seen == (None if expected is None else EngineSeen(address=expected[0], by=expected[1]))
    assert locate.is_chosen(variables) == bool(variables)
