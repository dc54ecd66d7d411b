"""Stand-ins that several tests share: a stream whose other end the test plays, and one real facts document.

`FakeStream` implements provisioner.connection.local.Stream.
"""

from __future__ import annotations

import functools
import queue
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Callable

from provisioner.linux.processes import read_process
from provisioner.probe.build import probe_binary
from provisioner.probe.frames import HEADER, MAGIC

NONCE = "0123456789abcdef"
# whether this user may make them here
USER_NAMESPACES = shutil.which("unshare") is not None and (
    subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], capture_output=True).returncode == 0
)


def frame(kind: int, identity: int, payload: bytes = b"") -> bytes:
    """Return one frame as the protocol has it."""
    return HEADER.pack(len(payload), identity, kind) + payload


def hello(nonce: str = NONCE, version: str = "1") -> bytes:
    """Return what a server says first."""
    return MAGIC + frame(0, 0, f"ISOLATION {version} {nonce} cafe".encode())


class FakeStream:
    """
    A stream whose other end the test plays.

    `say` puts bytes where the host reads them, `end` is end of stream, and `asked` gives the next frame that the host
    wrote as (kind, id, payload).
    """

    pid = 0

    def __init__(self, *said: bytes, errors: bytes = b"") -> None:
        self._said: queue.Queue[bytes] = queue.Queue()
        self._written: queue.Queue[tuple[int, int, bytes]] = queue.Queue()
        self._partial = bytearray()
        self._errors = errors
        self._ended = False
        self.killed = threading.Event()
        for part in said:
            self.say(part)

    def say(self, data: bytes) -> None:
        if data:
            self._said.put(data)

    def end(self) -> None:
        self._ended = True
        self._said.put(b"")

    def asked(self, seconds: float = 5.0) -> tuple[int, int, bytes]:
        return self._written.get(timeout=seconds)

    def silent(self) -> bool:
        """Whether the host wrote nothing that was not asked for yet."""
        return self._written.empty()

    def write(self, data: bytes) -> None:
        if self._ended:
            raise BrokenPipeError
        self._partial += data
        while len(self._partial) >= HEADER.size:
            length, identity, kind = HEADER.unpack_from(self._partial)
            if len(self._partial) < HEADER.size + length:
                return
            self._written.put((kind, identity, bytes(self._partial[HEADER.size : HEADER.size + length])))
            del self._partial[: HEADER.size + length]

    def read(self) -> bytes:
        return self._said.get()

    def end_input(self) -> None:
        return

    def errors(self) -> bytes:
        return self._errors

    def wait(self, seconds: float) -> int | None:
        return 0 if self._ended else None

    def kill(self) -> None:
        self.killed.set()
        self.end()


def request_of(payload: bytes) -> tuple[float, int, list[str]]:
    """Take a request's payload apart: seconds, most bytes, the verb and its arguments."""
    milliseconds, bound = struct.unpack_from(">II", payload)
    return milliseconds / 1000, bound, payload[8:].decode().split("\0")[:-1]


@functools.cache
def facts_document(nonce: str = NONCE) -> bytes:
    """Return what the real probe answers to `facts` on this machine, without its mark."""
    argv = [str(probe_binary().path), "facts", nonce]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=True)
    return done.stdout.partition(b"\n")[2]


def gone(pid: int) -> bool:
    return read_process(pid) is None


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Return once `condition` is true; an AssertionError after `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to pass in time"
        time.sleep(0.02)
