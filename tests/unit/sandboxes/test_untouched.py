"""provisioner.sandboxes.untouched: the probe changes nothing of a user's container but what it needs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provisioner.errors import IsolationError
from provisioner.runtimes.load import load_runtime
from provisioner.sandboxes.untouched import differences

HOW = {name: load_runtime(name).command_line for name in ("docker", "podman")}
WANTED: dict[str, Any] = {
    "Id": "a" * 64,
    "Created": "2026-11-30",
    "State": {"Status": "created"},
    "Config": {
        "Hostname": "a" * 12,
        "Tty": True,
        "Cmd": ["/bin/sh"],
        "Env": ["A=b"],
        "User": "app",
        "Labels": {"isolation.run": "1"},
    },
    "HostConfig": {"Memory": 64, "CapAdd": None, "Binds": ["/srv:/srv:ro"], "RestartPolicy": {"Name": "no"}},
    "Mounts": [{"Type": "volume", "Name": "c" * 64, "Destination": "/data"}],
    "EffectiveCaps": ["CAP_CHOWN"],
}


def made(**host_config: Any) -> dict[str, Any]:
    """Return the container with the probe in it."""
    config = {"Hostname": "b" * 12, "Cmd": ["serve", "00"], "Entrypoint": ["/probe"], "Env": ["A=b", "HOSTNAME=x"]}
    return {
        **WANTED,
        "Id": "b" * 64,
        "State": {"Status": "running"},
        "Config": {**WANTED["Config"], **config, "Tty": False},
        "HostConfig": {
            "Memory": 64,
            "CapAdd": [],
            "Binds": ["/x:/probe:ro", "/srv:/srv:ro"],
            "AutoRemove": True,
            "Mounts": [{"Type": "bind", "Target": "/probe"}],
            **host_config,
        },
        "Mounts": [
            {"Type": "bind", "Destination": "/probe"},
            {"Type": "volume", "Name": "d" * 64, "Destination": "/data"},
        ],
    }


def found(second: dict[str, Any], engine: str = "docker") -> list[str]:
    how = HOW[engine]
    assert how is not None
    return differences(json.dumps([WANTED]).encode(), json.dumps([second]).encode(), how.untouched)


@pytest.mark.parametrize("engine", HOW)
def test_what_the_probe_needs_is_no_difference(engine: str) -> None:
    assert found(made(), engine) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"Memory": 0}, ["HostConfig.Memory is nothing, not 64"]),
        ({"CapAdd": ["SYS_ADMIN"]}, ['HostConfig.CapAdd is ["SYS_ADMIN"], not nothing']),
        ({"Privileged": True}, ["HostConfig.Privileged is true, not nothing"]),
        ({"Binds": ["/x:/probe:ro"]}, ['HostConfig.Binds is nothing, not ["/srv:/srv:ro"]']),
        (
            {"Memory": 1, "PidMode": "host"},
            ["HostConfig.Memory is 1, not 64", "HostConfig.PidMode is host, not nothing"],
        ),
    ],
)
def test_every_other_difference_is_told(changed: dict[str, Any], told: list[str]) -> None:
    assert found(made(**changed)) == told


def test_annotations_that_podman_5_adds_at_the_start_are_no_difference() -> None:
    own = {
        "io.container.manager": "libpod",
        "io.podman.annotations.autoremove": "TRUE",
        "org.opencontainers.image.stopSignal": "15",
        "org.systemd.property.KillSignal": "15",
        "org.systemd.property.TimeoutStopUSec": "uint64 10000000",
    }

    assert found(made(Annotations=own), "podman") == []
    assert found(made(Annotations={**own, "run.oci.hooks.stdout": "/x"}), "podman") == [
        "HostConfig.Annotations.run.oci.hooks.stdout is /x, not nothing"
    ]


def test_another_user_is_told() -> None:
    other = made()
    other["Config"]["User"] = "root"

    assert found(other) == ["Config.User is root, not app"]


def test_podmans_capabilities_are_compared() -> None:
    assert found({**made(), "EffectiveCaps": []}, "podman") == ['EffectiveCaps is nothing, not ["CAP_CHOWN"]']


@pytest.mark.parametrize("answer", [b"", b"[]", b"7", b"[7]", b"{}", b'[{"Id": 1}'])
def test_an_answer_that_tells_of_no_container_is_an_error(answer: bytes) -> None:
    how = HOW["docker"]
    assert how is not None
    with pytest.raises(IsolationError, match="cannot read the engine's answer"):
        differences(answer, answer, how.untouched)
