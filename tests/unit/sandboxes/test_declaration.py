"""provisioner.sandboxes.declaration: what an engine or a bundle says that a sandbox was to be."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner.connection.local import LocalConnection
from provisioner.errors import IsolationError, UnobservedFact
from provisioner.hosts.files_local import LocalFiles
from provisioner.probe.request import Reply
from provisioner.runtimes.declared import Declared
from provisioner.runtimes.load import load_runtime
from provisioner.sandboxes.declaration import ask_from_outside, read_declaration, with_shown

# docker 20.10 inspect, of `docker run` without options: what is read of it
DOCKER: dict[str, Any] = {
    "AppArmorProfile": "docker-default",
    "Mounts": [],
    "Config": {"User": ""},
    "HostConfig": {
        **dict.fromkeys(("CapAdd", "CapDrop", "SecurityOpt", "Ulimits", "PidsLimit")),
        **{"NetworkMode": "default", "PidMode": "", "IpcMode": "private", "UTSMode": "", "UsernsMode": ""},
        **{"CgroupnsMode": "host", "Privileged": False, "ReadonlyRootfs": False},
        **{"Memory": 0, "NanoCpus": 0, "CpuQuota": 0, "CpuPeriod": 0},
        **{"MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": ["/proc/sys"]},
    },
}


def docker(**host_config: Any) -> Declared:
    """Return what docker declares with other settings."""
    document = {**DOCKER, "HostConfig": {**DOCKER["HostConfig"], **host_config}}
    return read("docker", [document])


def read(runtime: str, document: Any) -> Declared:
    found = read_declaration(load_runtime(runtime), json.dumps(document).encode(), LocalFiles())
    assert found is not None
    return found


def test_a_plain_container_of_docker() -> None:
    found = docker()
    default = load_runtime("docker").capabilities

    assert isinstance(default, list)
    assert found.capabilities == sorted(default)
    assert found.namespaces == ["net", "pid", "ipc", "uts"], "the users are as the daemon has them"
    assert found.lsm == "docker-default"
    assert (found.masked, found.readonly) == (["/proc/kcore"], ["/proc/sys"])
    assert (found.limits, found.rlimits, found.sysctls, found.mounts) == ({}, {}, {}, [])
    assert (found.no_new_privs, found.seccomp, found.readonly_root) == (False, False, False)
    assert found.user.uid is None


@pytest.mark.parametrize(
    ("setting", "item", "value"),
    [
        ({"CapDrop": ["ALL"], "CapAdd": ["CAP_CHOWN", "kill"]}, "capabilities", ["CHOWN", "KILL"]),
        ({"CapAdd": ["ALL"]}, "capabilities", None),
        ({"Privileged": True}, "capabilities", None),
        ({"Privileged": True, "MaskedPaths": ["/proc/kcore"]}, "masked", []),
        ({"SecurityOpt": ["no-new-privileges"]}, "no_new_privs", True),
        ({"SecurityOpt": ["no-new-privileges:true"]}, "no_new_privs", True),
        ({"SecurityOpt": ["no-new-privileges=false"]}, "no_new_privs", False),
        ({"SecurityOpt": ['seccomp={"defaultAction":"SCMP_ACT_ERRNO"}']}, "seccomp", True),
        ({"SecurityOpt": ["seccomp:unconfined"]}, "seccomp", False),
        ({"ReadonlyRootfs": True}, "readonly_root", True),
        ({"Sysctls": {"net.ipv4.ip_forward": "0"}}, "sysctls", {"net.ipv4.ip_forward": "0"}),
        ({"NetworkMode": "host", "PidMode": "container:x", "IpcMode": "host", "UTSMode": "host"}, "namespaces", []),
        ({"NetworkMode": "web", "PidMode": "host", "UsernsMode": "auto"}, "namespaces", ["net", "ipc", "uts", "user"]),
        ({"Memory": 64, "PidsLimit": -1, "NanoCpus": 500_000_000}, "limits", {"memory": 64.0, "cpu": 0.5}),
        ({"PidsLimit": 7, "CpuQuota": 25_000}, "limits", {"pids": 7.0, "cpu": 0.25}),
    ],
)
def test_an_option_of_docker_is_an_item(setting: dict[str, Any], item: str, value: Any) -> None:
    assert getattr(docker(**setting), item) == value


def test_rlimits_mounts_and_user_of_docker() -> None:
    ulimits = [{"Name": "nofile", "Soft": 5, "Hard": -1}]
    document = {
        **DOCKER,
        "Config": {"User": "7:8"},
        "Mounts": [{"Destination": "/srv", "RW": False}, {"Destination": "/data", "RW": True}],
        "HostConfig": {**DOCKER["HostConfig"], "Ulimits": ulimits, "Tmpfs": {"/run": "rw,noexec,size=1m", "/x": ""}},
    }

    found = read("docker", [document])

    assert (found.rlimits["nofile"].soft, found.rlimits["nofile"].hard) == (5, None)
    assert [(one.target, one.flags) for one in found.mounts] == [("/srv", ["ro"]), ("/run", ["noexec"])]
    assert (found.user.uid, found.user.gid) == (7, 8)


def test_a_user_by_name_is_not_compared() -> None:
    assert read("docker", [{**DOCKER, "Config": {"User": "app:app"}}]).user.uid is None


CONFIG = {
    "process": {
        "user": {"uid": 1, "gid": 2, "additionalGids": [3]},
        "capabilities": {"bounding": ["CAP_KILL"], "ambient": ["CAP_CHOWN"]},
        "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": (1 << 64) - 1}],
        "noNewPrivileges": True,
        "apparmorProfile": "web",
    },
    "root": {"readonly": True},
    "mounts": [{"destination": "/proc/"}, {"destination": "/sys/", "options": ["nosuid", "ro", "relatime"]}],
    "linux": {
        "namespaces": [{"type": "network", "path": "/run/netns/x"}, {"type": "mount"}, {"type": "pid"}],
        "seccomp": {"defaultAction": "SCMP_ACT_ERRNO"},
        "maskedPaths": ["/proc/keys"],
        "readonlyPaths": ["/proc/bus"],
        "sysctl": {"kernel.domainname": "x"},
        "resources": {"memory": {"limit": 64}, "cpu": {"quota": 50_000, "period": 100_000}, "pids": {"limit": 0}},
    },
}


@pytest.mark.parametrize("runtime", ["runc", "podman"])
def test_the_config_of_a_bundle(runtime: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    answers = {"runc": {"bundle": str(tmp_path)}, "podman": [{"OCIConfigPath": str(tmp_path / "config.json")}]}

    found = read(runtime, answers[runtime])

    assert found.capabilities == ["CHOWN", "KILL"]
    assert (found.user.uid, found.user.gid, found.user.groups) == (1, 2, [3])
    assert (found.rlimits["core"].soft, found.rlimits["core"].hard) == (0, None)
    assert (found.no_new_privs, found.seccomp, found.readonly_root, found.lsm) == (True, True, True, "web")
    assert [(one.target, one.flags) for one in found.mounts] == [("/sys", ["ro", "nosuid"])]
    assert found.namespaces == ["mnt", "pid"], "one with a path is joined"
    assert (found.masked, found.readonly) == (["/proc/keys"], ["/proc/bus"])
    assert (found.sysctls, found.limits) == ({"kernel.domainname": "x"}, {"memory": 64.0, "cpu": 0.5})


def test_a_config_that_belongs_to_the_engines_user_namespace(tmp_path: Path) -> None:
    refused = tmp_path / "refused"  # a folder is as unreadable as a file of another id
    refused.mkdir()
    podman = load_runtime("podman")
    reads = podman.model_copy(update={"read_bundle": ["sh", "-c", 'printf %s "$0"', json.dumps(CONFIG)]})
    fails = podman.model_copy(update={"read_bundle": ["sh", "-c", "echo no namespace >&2; exit 1"]})
    answer = json.dumps([{"OCIConfigPath": str(refused)}]).encode()

    found = read_declaration(reads, answer, LocalFiles())

    assert found is not None
    assert found.masked == ["/proc/keys"]
    assert podman.read_bundle == ["podman", "unshare", "cat", "--"]
    with pytest.raises(IsolationError, match=r"cannot read '.*/refused': no namespace"):
        read_declaration(fails, answer, LocalFiles())


def test_a_runtime_that_tells_nothing() -> None:
    assert read_declaration(load_runtime("lxc"), b"anything", LocalFiles()) is None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"[7]",
        b'["x"]',
        b'[{"HostConfig": {"Ulimits": [{}]}}]',
        b'[{"HostConfig": {"MaskedPaths": ["proc/keys"]}}]',
        b'[{"HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": "many", "Hard": 1}]}}]',
        b'[{"OCIConfigPath": "/nowhere/config.json"}]',
    ],
)
def test_an_answer_that_cannot_be_read_is_one_line(answer: bytes) -> None:
    with pytest.raises(IsolationError, match=r"^cannot read .*") as caught:
        read_declaration(load_runtime("docker"), answer, LocalFiles())
    assert "\n" not in caught.value.what


def asking(answers: dict[tuple[str, str], Reply]) -> Callable[..., Reply]:
    return lambda verb, path: answers[verb, path]


def test_what_a_process_inside_sees() -> None:
    found = docker(Sysctls={"kernel.domainname": "x", "net.ipv4.conf.eth0/1.forwarding": "1"})
    shown = with_shown(
        found,
        asking(
            {
                ("read", "/proc/sys/kernel/domainname"): Reply("exit 0", b"x\n", b""),
                ("read", "/proc/sys/net/ipv4/conf/eth0.1/forwarding"): Reply("exit 66", b"", b"cannot read it\n"),
                ("exists", "/proc/kcore"): Reply("exit 0", b"no", b""),
                ("exists", "/proc/sys"): Reply("exit 0", b"yes", b""),
            }
        ),
    )

    assert shown.shown["kernel.domainname"] == "x"
    assert (shown.exists["/proc/kcore"], shown.exists["/proc/sys"]) == (False, True)
    with pytest.raises(UnobservedFact, match="cannot read it"):
        shown.shown["net.ipv4.conf.eth0/1.forwarding"]


def test_a_probe_that_does_not_answer_leaves_it_unobserved() -> None:
    lost = with_shown(docker(), lambda *_: Reply("end of stream", b"", b""))

    with pytest.raises(UnobservedFact, match="end of stream"):
        lost.exists["/proc/kcore"]


@pytest.mark.parametrize(
    ("path", "ended", "data"),
    [
        ("/proc/self/status", "exit 71", b""),  # /proc/self is a link
        ("/proc/sys/kernel", "exit 0", b"yes"),
        ("/proc/no-such-file", "exit 0", b"no"),
        ("/etc/passwd/below", "exit 0", b"no"),
    ],
)
def test_a_path_is_looked_at_from_outside(path: str, ended: str, data: bytes) -> None:
    reply = ask_from_outside(LocalConnection(), os.getpid(), "exists", path)

    assert (reply.ended, reply.data) == (ended, data)


def test_a_process_that_has_ended_shows_nothing() -> None:
    reply = ask_from_outside(LocalConnection(), 1 << 22, "read", "/proc/sys/kernel/ostype")

    assert not reply.ok
