"""Sockets of the host's processes that a sandbox reaches: drawn mounts and sockets, and who serves them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import UnobservedFact
from provisioner.facts.ipc import Socket
from provisioner.facts.mounts import Mount
from provisioner.facts.served_sockets import ServedSocket, Server, parse_sockets
from provisioner.observed import FactsError
from pytest_isolation.walls.management_sockets import engine_folders, engine_sockets, host_sockets
from pytest_isolation.walls.served_sockets import reached

NAMES = st.sampled_from(["a", "b", "c", ".x"])
PATHS = st.lists(NAMES, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))
HOST_TOPS = ("/", "/a", "/a/b/c")  # each a file system of its own
BINDS = st.lists(st.tuples(PATHS, st.one_of(PATHS, st.just("/"))), max_size=5)  # target, source


def line(id_: int, parent: int, minor: int, root: str, target: str) -> Mount:
    return Mount(
        id=id_,
        parent=parent,
        major=8,
        minor=minor,
        root=root,
        target=target,
        options=["rw"],
        tags=[],
        fstype="ext4",
        source="/dev/sda",
        super_options=["rw"],
    )


HOST = [line(at + 1, 1, at + 1, "/", top) for at, top in enumerate(HOST_TOPS)]


def is_in(path: str, top: str) -> bool:
    return top == "/" or path == top or path.startswith(top + "/")


def host_top(path: str) -> str:
    return max((top for top in HOST_TOPS if is_in(path, top)), key=len)


def below(path: str, top: str) -> str:
    return path.removeprefix(top.rstrip("/"))


def table(binds: list[tuple[str, str]]) -> list[Mount]:
    """Return the table of a sandbox whose root is its own file system, with these binds, made in this order."""
    made = [line(100, 1, 99, "/", "/")]
    for target, source in binds:
        top = host_top(source)
        seen: Mount = made[0]
        for step in sorted({one.target for one in made if is_in(target, one.target)}, key=len):  # as a path is walked
            while on_it := [one for one in made if one.target == step and one.parent == seen.id and one is not seen]:
                seen = on_it[-1]
        root = below(source, top) or "/"
        made.append(line(100 + len(made), seen.id, HOST_TOPS.index(top) + 1, root, target))
    return made


def served_socket(path: str, name: str = "x", own: bool = False, in_view: bool = True, inode: int = 5) -> ServedSocket:
    servers = [Server(pid=7, name=name, exe=name)]
    return ServedSocket(path=path, in_view=in_view, device=[8, 1], inode=inode, own=own, processes=servers)


def socket(path: str, mount: str | None, inode: int = 5, minor: int = 1) -> Socket:
    return Socket(path=path, mount=mount, device=[8, minor], inode=inode, uid=0, gid=0, mode=0o600, bound=False)


def paths_inside(binds: list[tuple[str, str]], sockets: list[str]) -> dict[str, str]:
    """Return path inside to path on the host, by making one bind after the other: each covers what was there."""
    found: dict[str, str] = {}
    for target, source in binds:
        found = {path: host for path, host in found.items() if not is_in(path, target)}
        for one in sockets:
            if is_in(one, source) and host_top(one) == host_top(source):  # a bind that is not recursive
                found[(target + below(one, source)).rstrip("/")] = one
    return found


@given(BINDS, st.lists(PATHS, max_size=4, unique=True))
def test_a_socket_of_the_host_is_found_at_any_depth_of_a_drawn_mount(
    binds: list[tuple[str, str]], sockets: list[str]
) -> None:
    served_sockets = [served_socket(path, inode=at) for at, path in enumerate(sockets)]

    found = reached(served_sockets, [], table(binds), HOST)

    inside = paths_inside(binds, sockets)
    assert {one.served_socket.path for one in found} == set(inside.values())
    assert all(inside[one.path] == one.served_socket.path for one in found)


@given(st.booleans(), st.booleans(), st.sampled_from(["dockerd", "ssh-agent", "x"]))
def test_who_serves_decides(own: bool, in_view: bool, name: str) -> None:
    served_sockets = [served_socket("/any", name, own=own, in_view=in_view)]
    seen = [socket("/d/s", "/d", minor=1)]
    mounts = [line(100, 1, 99, "/", "/"), line(101, 100, 1, "/z", "/d")]

    served = reached(served_sockets, seen, mounts, HOST)

    assert bool(host_sockets(seen, mounts, HOST, False, served_sockets, served)) is not own
    assert bool(engine_sockets(seen, mounts, [], False, served)) is (name == "dockerd" and not own)


def test_the_reason_names_the_process_and_where_the_socket_came_from() -> None:
    seen, mounts = [socket("/d/s", "/d")], [line(100, 1, 99, "/", "/"), line(101, 100, 1, "/z", "/d")]
    served = reached([served_socket("/z/s", "ssh-agent")], seen, mounts, HOST)

    assert host_sockets(seen, mounts, HOST, False, [], served) == [
        "/d/s from /z/s (process 7, ssh-agent, an agent that signs with its user's keys)"
    ]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/var/lib/docker", True),
        ("/var/lib/docker/overlay2", True),
        ("/var/lib/docker/volumes/data/_data", False),
        ("/var/lib/docker/containers/1/hosts", False),
        ("/var/lib/dockers", False),
        ("/run/containerd", True),
    ],
)
def test_a_folder_of_an_engine_counts_with_what_is_directly_in_it(path: str, found: bool) -> None:
    host = [line(1, 1, 1, "/", "/")]

    assert bool(engine_folders([line(101, 100, 1, path, "/state")], host)) is found


def document(**more: Any) -> bytes:
    return json.dumps({"schema": 1, "nonce": "n", "served_sockets": []} | more).encode()


def test_an_answer_of_another_form_is_refused() -> None:
    with pytest.raises(FactsError, match="another nonce"):
        parse_sockets(document(), "other")
    with pytest.raises(FactsError, match="cannot read the served sockets"):
        parse_sockets(document(served_sockets=[{"path": "relative"}]), "n")
    with pytest.raises(UnobservedFact, match="EACCES"):
        parse_sockets(document(served_sockets={"unobserved": "EACCES", "why": "list /proc"}), "n")
