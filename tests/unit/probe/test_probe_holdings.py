"""What the host tells of a hypervisor: files that others may open, and services that it is connected to (exposed/)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_probe import as_root, ask

from provisioner.errors import UnobservedFact
from provisioner.facts.document import Facts
from provisioner.files.maker import temporary_folder

# maps "memory" shared and closes its descriptor; opens the rest
HOLD = """
import mmap, os, socket, sys
os.chdir(sys.argv[1])
os.umask(0)
memory = os.open("memory", os.O_RDWR | os.O_CREAT, 0o644)
os.ftruncate(memory, 4096)
mapped = mmap.mmap(memory, 4096)
os.close(memory)
own = os.open("own", os.O_RDWR | os.O_CREAT, 0o600)
deleted = os.open("deleted", os.O_RDWR | os.O_CREAT, 0o666)
os.unlink("deleted")
base = os.open("base", os.O_RDONLY | os.O_CREAT, 0o666)
pid = os.open("pid", os.O_WRONLY | os.O_CREAT, 0o644)
os.write(pid, b"%d\\n" % os.getpid())
os.mkfifo("door", 0o666)
door = os.open("door", os.O_RDWR)
unnamed = os.memfd_create("ram")
master, slave = os.openpty()
os.close(slave)
out = socket.socket(socket.AF_UNIX)
out.connect("service.sock")
both = socket.socketpair()
port = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
listening = socket.create_server(("127.0.0.1", 0))
accepted = socket.create_connection(listening.getsockname()), listening.accept()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def door() -> Iterator[Path]:
    """A folder that every user may enter: pytest's own is closed to others."""
    with temporary_folder(Path(tempfile.gettempdir())) as folder:
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def servers(door: Path) -> Iterator[int]:
    """A socket in the folder and a port of loopback, on which this process serves; the port's number."""
    with socket.socket(socket.AF_UNIX) as path, socket.create_server(("127.0.0.1", 0)) as port:
        path.bind(str(door / "service.sock"))
        path.listen()
        accepted: list[socket.socket] = []
        accepting = threading.Thread(target=lambda: accepted.append(path.accept()[0]))
        accepting.start()
        yield int(port.getsockname()[1])
        accepting.join(60)
        for one in accepted:
            one.close()


def look(probe: Path, folder: Path, port: int, *words: str) -> Facts:
    argv = [*words, sys.executable, "-c", HOLD, str(folder), str(port)]
    holder = subprocess.Popen(argv, stdin=-1, stdout=-1, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        return ask(str(probe), "outside", "n1", f"pid:{holder.pid}", "holdings")
    finally:
        holder.communicate("", timeout=300)


def test_files_show_who_else_may_open_them(probe: Path, door: Path, servers: int) -> None:
    facts = look(probe, door, servers)
    others = all(folder.stat().st_mode & 1 for folder in (door, *door.parents))
    found = {Path(one.path).name: one for one in facts.backings if one.path.startswith(str(door))}

    assert set(found) == {"memory", "own", "deleted (deleted)", "base", "pid", "door"}
    assert {name for name, one in found.items() if one.others_read} == (
        {"memory", "base", "pid", "door"} if others else set()
    )
    assert {name for name, one in found.items() if one.others_write} == ({"base", "door"} if others else set())
    assert (found["memory"].mapped, found["memory"].mode, found["own"].mapped) == (True, 0o644, False)
    assert (found["base"].access, found["pid"].access, found["door"].type) == ("r", "w", "fifo")
    assert [name for name, one in found.items() if one.pid] == ["pid"]
    assert {one.uid for one in found.values()} == {os.geteuid()}


def test_a_pseudoterminal_is_shown_by_its_other_end(probe: Path, door: Path, servers: int) -> None:
    facts = look(probe, door, servers)

    assert [one.others_write for one in facts.backings if one.path.startswith("/dev/pts/")] == [False]


def test_a_closed_folder_keeps_others_from_files(probe: Path, door: Path, servers: int) -> None:
    door.chmod(0o700)
    facts = look(probe, door, servers)

    assert not any(one.others_read or one.others_write for one in facts.backings if one.path.startswith(str(door)))


def test_only_sockets_that_it_connected_are_shown(probe: Path, door: Path, servers: int) -> None:
    facts = look(probe, door, servers)
    found = {one.address: one for one in facts.connections if one.family == "unix"}

    assert set(found) == {"service.sock"} or set(found) == {str(door / "service.sock")}
    (one,) = found.values()
    assert (one.server, one.uid) == (Path(os.readlink("/proc/self/exe")).name, os.geteuid())


def test_a_port_of_loopback_is_shown(probe: Path, door: Path, servers: int) -> None:
    facts = look(probe, door, servers)

    assert servers in {one.port for one in facts.connections if one.family == "tcp"}


@as_root
def test_a_connection_out_of_a_network_namespace_is_shown(probe: Path, door: Path, servers: int) -> None:
    words = ("unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")
    alone = HOLD.replace('("127.0.0.1", int(sys.argv[2]))', '("127.0.0.1", own_port)').replace(
        "both =", 'server = socket.create_server(("127.0.0.1", 0)); own_port = server.getsockname()[1]\nboth ='
    )
    holder = subprocess.Popen([*words, sys.executable, "-c", alone, str(door), "0"], stdin=-1, stdout=-1, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        facts = ask(str(probe), "outside", "n1", f"pid:{holder.pid}", "holdings")
    finally:
        holder.communicate("", timeout=300)

    assert [Path(one.address).name for one in facts.connections if one.family == "unix"] == ["service.sock"]


@as_root
def test_a_file_of_its_own_mounts_is_unobserved(probe: Path, door: Path, servers: int) -> None:
    mount = (
        f'mount -t tmpfs -o mode=755 none {door}/private && cd {door}/private && ln -s ../service.sock . && exec "$@"'
    )
    (door / "private").mkdir()
    facts = look(probe, door / "private", servers, "unshare", "--mount", "sh", "-c", mount, "sh")
    found = {Path(one.path).name: one for one in facts.backings}

    with pytest.raises(UnobservedFact, match="find the file by its path"):
        _ = found["memory"].others_read
    assert not found["own"].others_read


def test_holdings_are_looked_at_only_when_asked(probe: Path) -> None:
    facts = ask(str(probe), "outside", "n1", f"pid:{os.getpid()}")

    with pytest.raises(UnobservedFact, match="for a hypervisor alone"):
        _ = facts.backings
    with pytest.raises(UnobservedFact, match="for a hypervisor alone"):
        _ = facts.connections


def test_a_connection_that_is_not_accepted_yet_has_no_name(probe: Path, door: Path) -> None:
    with socket.socket(socket.AF_UNIX) as path, socket.create_server(("127.0.0.1", 0)) as port:
        path.bind(str(door / "service.sock"))
        path.listen()
        facts = look(probe, door, int(port.getsockname()[1]))

    assert [(one.address, one.server) for one in facts.connections if one.family == "unix"] == [("", None)]


@as_root
def test_a_user_sees_the_maps_of_its_own_processes(probe: Path, door: Path, servers: int) -> None:
    door.chmod(0o777)
    (door / "service.sock").chmod(0o777)
    python = shutil.which("python3", path="/usr/bin")  # a virtual environment may be closed to others
    if python is None:
        pytest.skip("needs a Python that every user may run: apt-get install python3")
    user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    argv = [*user, python, "-c", HOLD, str(door), str(servers)]
    holder = subprocess.Popen(argv, stdin=-1, stdout=-1, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        facts = ask(*user, str(probe), "outside", "n1", f"pid:{holder.pid}", "holdings")
    finally:
        holder.communicate("", timeout=300)

    assert [Path(one.path).name for one in facts.backings if one.mapped] == ["memory"]
