"""Facts about one process, from inside and outside: mounts, descriptors, limits, listening sockets (process/)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from served_probe import Served, as_root, ask, output, read_document, run, wait_until

from provisioner.errors import UnobservedFact
from provisioner.facts.document import parse_facts
from provisioner.facts.platform import Listener


def test_mounts_equal_mountinfo(probe: Path) -> None:
    def read() -> list[str]:
        return Path("/proc/self/mountinfo").read_text().splitlines()

    lines: list[str] = []
    while lines != read():  # other processes of this machine mount and unmount
        lines = read()
        facts = read_document(run(probe, "facts", "n1"), "n1")

    assert [mount.id for mount in facts.process.mounts] == [int(line.split()[0]) for line in lines]


def test_a_command_lists_only_the_descriptors_that_it_inherited(probe: Path) -> None:
    read, write = os.pipe()
    try:
        facts = read_document(run(probe, "facts", "n1", pass_fds=[read], stdin=subprocess.DEVNULL), "n1")
    finally:
        os.close(read)
        os.close(write)

    assert [item.fd for item in facts.process.fds] == [0, 1, 2, read]
    assert facts.process.fds[3].target.startswith("pipe:[")


def test_a_served_document_lists_the_descriptors_that_the_server_inherited(served: Served) -> None:
    facts = parse_facts(output(served.answer("facts", "n2")), "n2")

    assert [item.fd for item in facts.process.fds] == [0, 1, 2]
    assert facts.probe.encode() == served.hello[2].split()[3]


def test_limits_of_the_own_cgroup_are_plausible(probe: Path) -> None:
    facts = read_document(run(probe, "facts", "n1"), "n1")

    assert facts.limits.version in (0, 1, 2)
    if facts.limits.version == 0:
        pytest.skip("no cgroup controller is mounted here: run it on a host with cgroup v1 or v2")
    assert facts.limits.memory.usage > 0
    assert facts.limits.memory.limit is None or facts.limits.memory.limit > 0


def test_outside_finds_the_server_and_ignores_its_requests(probe: Path, served: Served) -> None:
    served.ask(1, "load", "pids", "0")
    served.ask(2, "run", "sleep", "60")
    facts = read_document(run(probe, "outside", "o1", served.nonce), "o1")

    assert facts.view == "outside"
    assert facts.system is None
    assert facts.process.pid == served.process.pid


def test_outside_accepts_a_pid_and_refuses_a_missing_or_ambiguous_nonce(probe: Path, served: Served) -> None:
    assert read_document(run(probe, "outside", "o1", f"pid:{os.getpid()}"), "o1").process.pid == os.getpid()
    assert run(probe, "outside", "o1", "nobody-serves-this").returncode == 69
    second = subprocess.Popen([str(probe), "serve", served.nonce], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    wait_until(lambda: run(probe, "outside", "o1", served.nonce).returncode == 65)
    second.communicate(timeout=300)


LISTEN = """
import os, socket, sys
folder, = sys.argv[1:]
os.chdir(folder)
made = [socket.socket(socket.AF_UNIX) for _ in range(4)]
made[0].bind("open.sock")
os.chmod("open.sock", 0o777)
made[1].bind("closed.sock")
os.chmod("closed.sock", 0o770)
made[2].bind(f"\\0isolation-{os.getpid()}")
made[3].bind("quiet.sock")
made.append(socket.create_server(("127.0.0.1", 0)))
for one in made[:3]:
    one.listen()
made.append(socket.create_connection(made[4].getsockname()))
print(made[4].getsockname()[1], flush=True)
sys.stdin.read()
"""


def listeners_in(probe: Path, folder: Path) -> tuple[dict[str, Listener], int, int]:
    """Start a process with sockets in a folder; return its listeners by address, its TCP port and its pid."""
    listening = subprocess.Popen([sys.executable, "-c", LISTEN, str(folder)], stdin=-1, stdout=-1, text=True)
    try:
        assert listening.stdout is not None
        port = int(listening.stdout.readline())
        facts = ask(str(probe), "outside", "n1", f"pid:{listening.pid}")
    finally:
        listening.communicate("", timeout=300)
    return {one.address: one for one in facts.listeners}, port, listening.pid


def test_listening_sockets_show_whether_others_may_connect(probe: Path, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    found, port, pid = listeners_in(probe, tmp_path)
    others = all(folder.stat().st_mode & 1 for folder in (tmp_path, *tmp_path.parents))

    assert set(found) == {"open.sock", "closed.sock", f"@isolation-{pid}", "127.0.0.1"}
    assert (found["127.0.0.1"].port, found["127.0.0.1"].others) == (port, True)
    assert found["open.sock"].mode == 0o777
    assert found["open.sock"].others == others
    assert not found["closed.sock"].others
    assert found[f"@isolation-{pid}"].others


@as_root
def test_descriptors_are_unobserved_if_their_links_cannot_be_read(probe: Path) -> None:
    without_ptrace = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
    facts = ask(*without_ptrace, str(probe), "outside", "n1", f"pid:{os.getpid()}")

    with pytest.raises(UnobservedFact, match="EACCES"):
        _ = facts.process.fds


def test_a_closed_parent_folder_keeps_others_out(probe: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    found, _, _ = listeners_in(probe, tmp_path)

    assert not found["open.sock"].others
