"""Runs the probe as a plain process, as a command or as a server that tests speak to frame by frame."""

from __future__ import annotations

import os
import secrets
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.facts.document import Facts, parse_facts

HEADER = struct.Struct(">IIB")
HELLO, REQUEST, DATA, RESULT, ERROR, CANCEL, INPUT, CREDIT, LOG = range(9)
PIECE = 16384
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class Served:
    """
    A probe that serves on pipes.

    Args:
        probe: its file.
        wrapper: words before it, such as those of setpriv.
    """

    def __init__(self, probe: Path, *wrapper: str) -> None:
        self.nonce = secrets.token_hex(8)
        self.process = subprocess.Popen(
            [*wrapper, str(probe), "serve", self.nonce], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.magic = self.read(8)
        self.hello = self.frame()

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.stdout.read(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def frame(self) -> tuple[int, int, bytes]:
        length, identity, kind = HEADER.unpack(self.read(HEADER.size))
        return identity, kind, self.read(length)

    def send(self, kind: int, identity: int, payload: bytes = b"") -> None:
        self.stdin.write(HEADER.pack(len(payload), identity, kind) + payload)

    def ask(self, identity: int, *argv: str, deadline: int = 20000, bound: int = 1 << 20) -> None:
        words = b"".join(word.encode() + b"\0" for word in argv)
        self.send(REQUEST, identity, struct.pack(">II", deadline, bound) + words)

    def answers(self, *identities: int) -> dict[int, list[tuple[int, bytes]]]:
        """Return type and payload of the frames of these requests, read until each has ended."""
        found: dict[int, list[tuple[int, bytes]]] = {identity: [] for identity in identities}
        waiting = set(identities)
        while waiting:
            identity, kind, payload = self.frame()
            found[identity].append((kind, payload))
            if kind in (RESULT, ERROR):
                waiting.remove(identity)
        return found

    def answer(self, *argv: str, deadline: int = 20000, bound: int = 1 << 20) -> list[tuple[int, bytes]]:
        self.ask(1, *argv, deadline=deadline, bound=bound)
        return self.answers(1)[1]

    def end(self) -> int:
        """Close its input and return its exit status."""
        self.stdin.close()
        try:
            return self.process.wait(60)
        finally:
            self.stdout.close()


def output(frames: list[tuple[int, bytes]], kind: int = DATA) -> bytes:
    return b"".join(payload for found, payload in frames if found == kind)


def run(probe: Path, *argv: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(probe), *argv], capture_output=True, timeout=300, **options)  # type: ignore[call-overload, no-any-return]


def read_document(done: subprocess.CompletedProcess[bytes], nonce: str) -> Facts:
    assert done.returncode == 0, done.stderr
    head, body = done.stdout.split(b"\n", 1)

    assert head == f"\x7fISOFACTS {nonce} {len(body)}".encode()
    return parse_facts(body, nonce)


def ask(*argv: str) -> Facts:
    """Run a command that prints a document with the nonce "n1"."""
    return read_document(subprocess.run(argv, capture_output=True, timeout=300), "n1")


def wait_until(happened: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
