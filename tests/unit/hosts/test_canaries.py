"""provisioner.hosts.canaries: objects outside of sandboxes are made, watched and deleted, also after a SIGKILL."""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.hosts.canaries import Canaries, key_of
from provisioner.hosts.files_local import LocalFiles
from provisioner.journal.prune import prune
from provisioner.journal.run import Run
from provisioner.probe.build import probe_binary
from provisioner.probe.channel import Channel

ABSENT = {"segment": "(ENOENT)", "queue": "(ENOENT)", "file": "(ENOENT)"}
# a process that makes canaries and is killed
MAKER = """
import os, signal, sys
from pathlib import Path
from provisioner.hosts.canaries import Canaries
from provisioner.hosts.files_local import LocalFiles
from provisioner.journal.run import Run
from provisioner.probe.build import probe_binary
from provisioner.probe.channel import Channel
files, probe = LocalFiles(), probe_binary().path
channel = Channel(files.connection.start([str(probe), "serve", "n"]), "n", "here", 60)
made = Canaries(files, Run.start(), channel, probe, Path(sys.argv[1]))
print(made.key, made.name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own with the session's probe in its cache."""
    built = probe_binary().path
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / built.parent.name).symlink_to(built.parent)
    return tmp_path


@pytest.fixture
def channel(home: Path) -> Iterator[Channel]:
    stream = LocalFiles().connection.start([str(probe_binary().path), "serve", "n"])
    try:
        yield Channel(stream, "n", "here", 60)
    finally:
        stream.kill()


@pytest.fixture
def run(home: Path) -> Iterator[Run]:
    with Run.start() as made:
        yield made


def make(run: Run, channel: Channel, folder: Path) -> Canaries:
    return Canaries(LocalFiles(), run, channel, probe_binary().path, folder)


def probe(*words: object) -> subprocess.CompletedProcess[str]:
    argv = [str(probe_binary().path), "canaries", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def look(key: int, name: str, file: Path = Path("/nowhere")) -> Any:
    return json.loads(probe("look", key, name, file).stdout)


def connects(name: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(f"\0{name}")
        except ConnectionRefusedError:
            return False
        return True


def test_untouched_canaries_did_not_move(run: Run, channel: Channel, tmp_path: Path) -> None:
    canaries = make(run, channel, tmp_path)

    assert canaries.moved() == []
    assert look(canaries.key, canaries.name)["segment"] == f"canary {canaries.name}"
    assert connects(canaries.name)
    assert canaries.words == f"{canaries.key}:{canaries.name}"
    canaries.close()


def test_changed_canaries_are_named(run: Run, channel: Channel, tmp_path: Path) -> None:
    canaries = make(run, channel, tmp_path)

    canaries.file.write_text("other")
    probe("delete", 0, canaries.name)
    moved = canaries.moved()
    canaries.close()

    assert [line.split(" was ")[0] for line in moved] == [
        f"the canary queue {canaries.name}",
        f"the canary file {canaries.file}",
    ]


def test_close_deletes_them(run: Run, channel: Channel, tmp_path: Path) -> None:
    canaries = make(run, channel, tmp_path)
    canaries.close()

    assert look(canaries.key, canaries.name) == ABSENT
    assert not connects(canaries.name)
    assert run.close() == []


def test_canaries_of_a_lost_probe_stay_in_the_journal(run: Run, channel: Channel, tmp_path: Path) -> None:
    canaries = make(run, channel, tmp_path)
    channel._stream.kill()
    canaries.close()

    (line,) = canaries.moved()
    assert line.startswith("the canaries cannot be read: ")
    assert run.close() == [f"undone by delete-canaries {canaries.key} {canaries.name}"]
    assert look(canaries.key, canaries.name) == ABSENT


def test_prune_deletes_them_after_a_sigkill(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", MAKER, str(home)], capture_output=True, text=True, timeout=300)
    key, name = done.stdout.split()
    assert look(int(key), name)["segment"] == f"canary {name}"

    lines = prune()

    assert lines == [f"undone by delete-canaries {key} {name}"]
    assert look(int(key), name) == ABSENT


def test_the_hosts_of_one_run_have_different_keys(run: Run, channel: Channel, tmp_path: Path) -> None:
    first = make(run, channel, tmp_path)
    first.close()
    second = make(run, channel, tmp_path)
    second.close()

    assert first.key != second.key


def test_a_key_that_is_taken_is_passed_over(
    run: Run, channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda size: "00" * size)
    libc: Any = ctypes.CDLL(None)
    name = f"isolation-{run.id}-00000000"
    number = libc.shmget(key_of(name, 0), ctypes.c_size_t(4096), 0o3600)  # IPC_CREAT | IPC_EXCL
    try:
        canaries = make(run, channel, tmp_path)
        assert (canaries.name, canaries.key) == (name, key_of(name, 1))
        assert canaries.moved() == []
        canaries.close()
    finally:
        libc.shmctl(number, 0, None)  # IPC_RMID


@pytest.mark.parametrize("content", [b"not ours", b"\0\0\0\7other program's data"])
def test_a_foreign_segment_is_not_deleted(content: bytes) -> None:
    key = 0x1507A7E ^ os.getpid()
    libc: Any = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    number = libc.shmget(key, ctypes.c_size_t(4096), 0o3600)  # IPC_CREAT | IPC_EXCL
    ctypes.memmove(libc.shmat(number, None, 0), content, len(content))
    try:
        assert probe("delete", key, "-").returncode == 0
        assert libc.shmget(key, ctypes.c_size_t(0), 0) == number
    finally:
        libc.shmctl(number, 0, None)  # IPC_RMID


def test_many_runs_have_their_queues(tmp_path: Path) -> None:
    """RLIMIT_MSGQUEUE allows nine queues of the default size."""
    names = [f"isolation-test-{os.getpid()}-{number}" for number in range(24)]
    keys = [0x1F00000 + os.getpid() + number for number in range(24)]
    holders = []
    try:
        for key, name in zip(keys, names, strict=True):
            argv = [str(probe_binary().path), "canaries", "hold", str(key), name, str(tmp_path / name)]
            holders.append(subprocess.Popen(argv, stdout=subprocess.PIPE))
        assert {holder.stdout.readline() for holder in holders if holder.stdout} == {b"made\n"}
        assert {look(key, name)["queue"] for key, name in zip(keys, names, strict=True)} == {
            "0 messages of at most 1 bytes"
        }
    finally:
        for holder, key, name in zip(holders, keys, names, strict=False):
            holder.kill()
            holder.communicate()
            probe("delete", key, name)


@pytest.mark.parametrize(
    "words",
    [
        ["hold", "0", "isolation-x", "/f"],
        ["hold", "1", "-", "/f"],
        ["look", "1", "other", "/f"],
        ["look", "1", "isolation-a/b", "/f"],
        ["delete", "x", "isolation-x"],
        ["delete", "1"],
        ["keep", "1", "isolation-x", "/f"],
    ],
)
def test_wrong_arguments_are_refused(words: list[str]) -> None:
    assert probe(*words).returncode == 64
