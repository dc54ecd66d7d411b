"""Files of a hypervisor that others may open, and services that it is connected to: drawn, with a predicted verdict."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "weaknesses"))
from facts_factory import SOUND, record_of

from provisioner.errors import UnobservedFact
from provisioner.facts.holdings import Backing, Connection
from provisioner.facts.process import Process
from pytest_isolation.walls.machine.holdings import HELPERS, open_to_others, services

OWN = 64055
MODES = st.integers(0, 0o777)


def hypervisor(uid: int = OWN) -> Process:
    vmm = record_of(SOUND["vm"][0]()).vmm
    assert vmm is not None
    return vmm.process.model_copy(update={"uid": [uid] * 4})


PROCESS = hypervisor()


def backing(mode: int, access: str, way: bool = True, **more: object) -> Backing:
    """Return a file as the probe describes it: others come to it by its mode if the folders let them."""
    others = {"others_read": way and bool(mode & 0o004), "others_write": way and bool(mode & 0o002)}
    fields = {
        "path": "/srv/x",
        "type": "file",
        "access": access,
        "mapped": False,
        "pid": False,
        "uid": OWN,
        "mode": mode,
    }
    return Backing.model_validate(fields | others | more)


def connection(family: str, address: str, server: str | None = None, port: int | None = None) -> Connection:
    uid = None if server is None else 0
    fields = {"family": family, "address": address, "port": port, "server": server, "uid": uid}
    return Connection.model_validate(fields)


@given(MODES, st.sampled_from(["r", "w", "rw", "path"]), st.booleans(), st.booleans(), st.booleans())
def test_what_others_may_do_decides(mode: int, access: str, way: bool, mapped: bool, pid: bool) -> None:
    secret, meddled = mode & 0o004 and "w" in access and not pid, mode & 0o002
    predicted = access != "path" and way and bool(secret or meddled)

    assert bool(open_to_others(PROCESS, [backing(mode, access, way, mapped=mapped, pid=pid)])) == predicted


@given(
    st.sampled_from([0, OWN, 1000, 65534]), MODES, st.sampled_from(["r", "w", "rw"]), st.sampled_from(["file", "fifo"])
)
def test_the_owner_of_what_is_written_counts(uid: int, mode: int, access: str, kind: str) -> None:
    found = open_to_others(PROCESS, [backing(mode, access, way=False, uid=uid, type=kind)])

    assert bool(found) == (uid in (1000, 65534) and "w" in access and bool(mode & 0o600))


def test_a_hypervisor_of_root_writes_files_of_other_users() -> None:
    assert open_to_others(hypervisor(0), [backing(0o600, "rw", uid=1000)]) == []


def test_the_reason_names_file_and_mode() -> None:
    found = open_to_others(
        PROCESS,
        [backing(0o644, "rw", mapped=True, path="/dev/shm/ram"), backing(0o622, "rw", type="fifo", path="/run/in")],
    )

    assert found == [
        "its guest's memory is the file /dev/shm/ram, which every user of the host may read (mode 0644)",
        "it uses the named pipe /run/in, which every user of the host may write (mode 0622)",
    ]


def test_an_unknown_path_is_no_green_and_hides_no_red() -> None:
    unknown = backing(0o644, "rw", others_read={"unobserved": "ENOENT", "why": "find the file by its path"})

    with pytest.raises(UnobservedFact, match="find the file by its path"):
        open_to_others(PROCESS, [unknown, backing(0o600, "rw")])
    assert len(open_to_others(PROCESS, [unknown, backing(0o666, "rw")])) == 1


@given(
    st.sampled_from(["/run/docker.sock", "@agent", "relative", "/x"]), st.sampled_from(["dockerd", "python3", *HELPERS])
)
def test_a_service_is_told_by_who_serves(address: str, server: str) -> None:
    assert bool(services([connection("unix", address, server)])) == (server not in HELPERS)


@given(st.ip_addresses(), st.integers(1, 65535))
def test_only_loopback_is_the_hosts(address: object, port: int) -> None:
    text = str(address)
    mapped = getattr(address, "ipv4_mapped", None)
    found = services([connection("tcp6" if ":" in text else "tcp", text, port=port)])

    assert bool(found) == (str(mapped or text).startswith("127.") or text == "::1")


@pytest.mark.parametrize(
    ("address", "name"),
    [("127.0.0.9", "port 127.0.0.9:80"), ("::1", "port [::1]:80"), ("::ffff:127.0.0.1", "port [::ffff:127.0.0.1]:80")],
)
def test_a_port_of_loopback_is_named(address: str, name: str) -> None:
    assert services([connection("tcp6" if ":" in address else "tcp", address, port=80)]) == [name]


def test_an_unknown_server_is_no_green_and_hides_no_red() -> None:
    unknown = connection("unix", "/run/x")

    with pytest.raises(UnobservedFact, match="/run/x"):
        services([unknown, connection("unix", "/run/tpm", "swtpm")])
    with pytest.raises(UnobservedFact, match="not accepted"):
        services([connection("unix", "")])
    assert services([unknown, connection("unix", "/run/docker.sock", "dockerd")]) == [
        "the socket /run/docker.sock, where dockerd serves as uid 0"
    ]
