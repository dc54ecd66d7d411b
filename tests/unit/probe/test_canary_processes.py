"""Processes of the host that hold less than its probe (`canaries processes`), and how a sandbox's probe tries them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_probe import alive, as_root, read_document, run, wait_until

from provisioner.connection.local import LocalConnection
from provisioner.facts.document import parse_facts
from provisioner.facts.process import Process
from provisioner.hosts.canary_processes import CONTAINER_CAPABILITIES, canary_processes
from provisioner.probe.channel import Channel

NONCE = "00112233"


@pytest.fixture
def host(probe: Path) -> Iterator[Channel]:
    stream = LocalConnection().start([str(probe), "serve", NONCE])
    try:
        yield Channel(stream, NONCE, "host", 10.0)
    finally:
        stream.kill()


def subject(host: Channel, uid: int, gid: int) -> Process:
    reply = host.request("outside", NONCE, f"pid:{os.getpid()}", deadline=10.0, bound=1 << 20)
    process = parse_facts(reply.data, NONCE).process
    return process.model_copy(update={"uid": [uid] * 4, "gid": [gid] * 4})


def pids_in(words: list[str]) -> dict[str, int]:
    found = [word.removeprefix("process=").split(":") for word in words]
    return {name: int(pid) for name, pid, _ in found}


def status_of(pid: int | str) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


@as_root
def test_each_has_the_user_and_the_capabilities_that_were_asked_for(host: Channel) -> None:
    with canary_processes(host, subject(host, 1234, 2345), NONCE) as words:
        pids = pids_in(words)
        same, container = status_of(pids["same_user"]), status_of(pids["container"])
        owner = Path(f"/proc/{pids['same_user']}/environ").stat()

    assert (same["Uid"].split(), same["Gid"].split(), same["Groups"]) == (["1234"] * 4, ["2345"] * 4, "")
    assert int(same["CapPrm"], 16) == 0
    assert CONTAINER_CAPABILITIES & int(status_of("self")["CapPrm"], 16) == int(container["CapPrm"], 16)
    assert (owner.st_uid, owner.st_gid) == (1234, 2345)  # the files of an undumpable process are root's
    wait_until(lambda: not any(alive(pid) for pid in pids.values()))


@as_root
@pytest.mark.parametrize(
    ("uid", "gid", "expected"), [(1234, 2345, ("ok", "ok")), (1235, 2345, ("EACCES",) * 2), (1234, 9, ("EACCES",) * 2)]
)
def test_it_opens_to_a_process_of_its_user_and_group_alone(
    host: Channel, probe: Path, uid: int, gid: int, expected: tuple[str, str]
) -> None:
    words = ("launch", "--uid", str(uid), "--gid", str(gid), "--", str(probe), "facts", "n1", "canary=1:x")

    with canary_processes(host, subject(host, 1234, 2345), NONCE) as further:
        system = read_document(run(probe, *words, *further), "n1").system

    assert system is not None
    same, container = system.canaries["same_user"], system.canaries["container"]
    assert expected == (same.environ, same.maps)
    assert (container.environ, container.maps) == ("EACCES", "EACCES")
    assert same.same


@as_root
def test_one_with_the_capabilities_of_a_container_is_closed_to_less(host: Channel, probe: Path) -> None:
    found = {}

    with canary_processes(host, subject(host, 0, 0), NONCE) as words:
        for name, kept in (("equal", CONTAINER_CAPABILITIES), ("less", 1)):
            argv = ["setpriv", f"--bounding-set={bounding(kept)}", str(probe), "facts", "n1", "canary=1:x", *words]
            system = read_document(run(Path(argv[0]), *argv[1:]), "n1").system
            assert system is not None
            found[name] = (system.canaries["container"].environ, system.canaries["same_user"].environ)

    assert found == {"equal": ("ok", "ok"), "less": ("EACCES", "ok")}


def bounding(kept: int) -> str:
    """Return setpriv's words for a bounding set."""
    return ",".join(["-all", *(f"+cap_{number}" for number in range(41) if kept >> number & 1)])


def test_a_user_that_cannot_be_started_is_left_out(host: Channel) -> None:
    if os.geteuid() == 0:
        pytest.skip("root starts processes of every user: run as another user")
    with canary_processes(host, subject(host, 0, 0), NONCE) as words:
        assert words == []


@pytest.mark.parametrize("word", ["", "1:2", "1:2:", "1:2:x", "x:2:0", "-1:2:0", "1:2:0:"])
def test_what_is_no_user_is_refused(probe: Path, word: str) -> None:
    assert run(probe, "canaries", "processes", word).returncode == 64


@pytest.mark.parametrize("word", ["process=", "process=name", f"process={'n' * 40}:1:x", "process=name:0:x"])
def test_what_names_no_process_is_refused(probe: Path, word: str) -> None:
    assert run(probe, "facts", "n1", word).returncode == 64
