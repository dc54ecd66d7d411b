"""provisioner.runtimes.version: what each role reads of what its runtime's command answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provisioner.runtimes.load import load_runtime
from pytest_isolation.targets.conditions import _Once

RUNC = "runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\nspec: 1.0.2-dev\ngo: go1.19.8\n"
UPSTREAM_RUNC = "runc version 1.1.12\ncommit: v1.1.12-0-g51d5e946\nspec: 1.0.2-dev\n"
CRUN = "crun version 1.8.1\ncommit: f8a096be060b22ccd3d5f3ebe44108517fbf6c30\nrundir: /run/crun\n"
BRANCH_CRUN = "crun version 1.14.3.0.0.0.11-abcd\ncommit: 1961d211ba98f532ea52d2e80f4c20359f241a98\n"
QEMU = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c) 2003-2022\n"


@pytest.mark.parametrize(
    ("runtime", "answer", "expected"),
    [
        ("runc", RUNC, "1.1.5+ds1-1+deb12u1"),
        ("runc", UPSTREAM_RUNC, "1.1.12"),
        ("runc", "runc version 1.0.0-rc95\nspec: 1.0.2-dev\n", "1.0.0-rc95"),
        ("crun", CRUN, "1.8.1"),
        ("crun", BRANCH_CRUN, "1.14.3.0.0.0.11-abcd"),
        ("lxc", "5.0.2\n", "5.0.2"),
        ("nspawn", "systemd 252 (252.39-1~deb12u2)\n+PAM +AUDIT\n", "252.39-1~deb12u2"),
        ("nspawn", "systemd 257 (257.4)\n", "257.4"),
        ("nspawn", "systemd 245\n", "245"),
        ("bwrap", "bubblewrap 0.8.0\n", "0.8.0"),
        ("unshare", "unshare from util-linux 2.38.1\n", "2.38.1"),
        ("qemu", QEMU, "7.2.22 (7.2+dfsg-7+deb12u18+b3)"),
        ("qemu", "QEMU emulator version 8.1.3 (qemu-8.1.3-1.fc39)\n", "8.1.3-1.fc39"),
        ("qemu", "QEMU emulator version 9.0.0\n", "9.0.0"),
        ("docker", "", ""),
        ("runc", "command not found", ""),
    ],
)
def test_a_runtime_tells_its_version_and_its_package(runtime: str, answer: str, expected: str) -> None:
    version = load_runtime(runtime).version

    assert version is not None
    assert version.read(answer.encode()) == expected
    assert version.read_parts(answer.encode()) == {}


def engine(name: str, version: str, commit: str) -> dict[str, Any]:
    return {"Name": name, "Version": version, "Details": {"GitCommit": commit}}


@pytest.mark.parametrize(
    ("components", "expected", "parts"),
    [
        (
            [
                {"Name": "Engine", "Version": "20.10.24+dfsg1", "Details": {"GitCommit": "5d6db84"}},
                engine("containerd", "1.6.20~ds1", "1.6.20~ds1-1+deb12u3"),
                engine("runc", "1.1.5+ds1", "1.1.5+ds1-1+deb12u1"),
                engine("docker-init", "0.19.0", ""),
            ],
            "20.10.24+dfsg1",
            {"containerd": "1.6.20~ds1-1+deb12u3", "runc": "1.1.5+ds1-1+deb12u1"},
        ),
        (
            [
                {"Name": "Engine", "Version": "28.0.1", "Details": {"GitCommit": "bbd0a17"}},
                engine("containerd", "v1.7.25", "bcc810d6b9066471b0b6fa75f557a15a1cbf31bb"),
                engine("runc", "1.2.4", "v1.2.4-0-g6c52b3f"),
            ],
            "28.0.1",
            {"containerd": "1.7.25", "runc": "1.2.4"},
        ),
        ([{"Name": "Engine", "Version": "17.03.2-ce"}], "17.03.2-ce", {}),
    ],
)
def test_docker_tells_its_containerd_and_runc(
    components: list[dict[str, Any]], expected: str, parts: dict[str, str]
) -> None:
    version = load_runtime("docker").version
    server = {"Platform": {"Name": ""}, "Components": components, "Version": "0"}
    answer = json.dumps({"Client": {"Version": "1"}, "Server": server}, separators=(",", ":")).encode()

    assert version is not None
    assert (version.read(answer), version.read_parts(answer)) == (expected, parts)


@pytest.mark.parametrize(
    ("package", "told", "parts"),
    [
        ("crun_1.8.1-1+deb12u1_amd64", "crun version 1.8.1\ncommit: f8a0", {"crun": "1.8.1-1+deb12u1"}),
        ("Unknown", "crun version 1.8.1\ncommit: f8a0", {"crun": "1.8.1"}),
        ("runc_1.1.5+ds1-1+deb12u1+b2_amd64", "runc version 1.1.5+ds1", {"runc": "1.1.5+ds1-1+deb12u1+b2"}),
    ],
)
def test_podman_tells_its_oci_runtime(package: str, told: str, parts: dict[str, str]) -> None:
    version = load_runtime("podman").version
    conmon = {"package": "conmon_2.1.6+ds1-1_amd64", "version": "conmon version 2.1.6, commit: unknown"}
    host = {"conmon": conmon, "ociRuntime": {"name": "x", "package": package, "path": "/usr/bin/x", "version": told}}
    document = {"host": host, "version": {"APIVersion": "4.3.1", "Version": "4.3.1", "GoVersion": "go1.19.8"}}
    answer = json.dumps(document, indent=2).encode()

    assert version is not None
    assert (version.read(answer), version.read_parts(answer)) == ("4.3.1", parts)


def test_podmans_settings_and_versions_are_one_command() -> None:
    podman = load_runtime("podman")

    assert podman.settings is not None
    assert podman.version is not None
    assert podman.settings.argv == podman.version.argv

    class FakeEngine:
        ran = 0

        def run(self, argv: list[str], timeout: float) -> int:
            self.ran += 1
            return self.ran

    engine: Any = FakeEngine()
    once = _Once(engine)
    assert [once.run(["podman", "info"], 1), once.run(["podman", "info"], 1), once.run(["podman", "ps"], 1)] == [
        1,
        1,
        2,
    ]
