"""The byte stream to a probe: frames out, answers in (docs/reference/protocol.md).

In: a Stream and the nonce its probe was given.  Out: `Reply`s, or `ChannelError`.
Called by sandbox.py and host.py.  One reader thread for each channel never stops reading; every request has a
deadline.  Everything that arrives is hostile: lengths, ids and types are checked, output is bounded here too.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from provisioner.connection.local import Stream, last_line
from provisioner.errors import IsolationError

MAGIC = b"\x7fISOPRB\n"
HEADER = struct.Struct(">IIB")
MAX_PAYLOAD = 32768
MAX_NOISE = 65536
MAX_OPEN = 16
INPUT_PIECE = 16384
INPUT_CREDITS = 2
HELLO, REQUEST, DATA, RESULT, ERROR, CANCEL, INPUT, CREDIT, LOG = range(9)
GRACE = 2.0  # seconds that the probe has to report a deadline itself before the host gives up on it


class ChannelError(IsolationError):
    """The probe did not answer as the protocol says, or not in time, or its stream ended."""


@dataclass(frozen=True)
class Reply:
    """How a request ended: "exit N", "signal N", an error frame's text, or "end of stream"; and what it wrote."""

    ended: str
    data: bytes
    log: bytes

    @property
    def ok(self) -> bool:
        """Whether the verb was carried out and exited with 0."""
        return self.ended == "exit 0"


@dataclass
class Pending:
    """A request under way.  `wait` gives its Reply; `data` grows while it runs."""

    id: int
    argv: tuple[str, ...]
    until: float
    bound: int
    data: bytearray = field(default_factory=bytearray)
    log: bytearray = field(default_factory=bytearray)
    ended: str | None = None
    lost: bool = False  # the stream ended before it did
    credits: int = INPUT_CREDITS


class Channel:
    """
    A conversation with one probe.

    Args:
        stream: the attached streams of the command that started it.
        nonce: what its hello must carry.
        name: what errors call it.

    Raises:
        ChannelError: no right hello before `deadline` seconds.
    """

    def __init__(self, stream: Stream, nonce: str, name: str, deadline: float) -> None:
        self._stream = stream
        self._name = name
        self._changed = threading.Condition()
        self._write_lock = threading.Lock()
        self._pending: dict[int, Pending] = {}
        self._last_id = 0
        self._failure: str | None = None
        self._hello: bytes | None = None
        self.noise = b""
        self._reader = threading.Thread(target=self._read_all, name=f"isolation-{name}", daemon=True)
        self._reader.start()
        self.probe_hash = self._await_hello(nonce, deadline)

    def request(self, *argv: str, deadline: float, bound: int = 1 << 16, data: bytes | None = None) -> Reply:
        """
        Ask for one verb and wait for its end.

        Args:
            argv: the verb and its arguments.
            deadline: seconds it may take.
            bound: the most bytes it may write.
            data: its standard input; None for verbs that read none.

        Raises:
            ChannelError: the channel broke, or nothing came in time.
        """
        pending = self.start(*argv, deadline=deadline, bound=bound)
        if data is not None:
            self._feed(pending, data)
        reply = self.wait(pending)
        if pending.lost:
            self._check_alive(argv)
        return reply

    def start(self, *argv: str, deadline: float, bound: int = 1 << 16) -> Pending:
        """
        Send a request and return at once; at most 16 are open, a further one waits for a place.

        `wait` tells of a stream that ends meanwhile as a Reply "end of stream": to a load that is a normal end.
        """
        until = time.monotonic() + deadline
        body = _request(argv, deadline, bound)
        with self._changed:
            while len(self._pending) >= MAX_OPEN and self._failure is None:
                self._sleep(until, argv)
            self._check_alive(argv)
            self._last_id += 1
            pending = Pending(self._last_id, argv, until + GRACE, bound)
            self._pending[pending.id] = pending
        self._send(REQUEST, pending.id, body)
        return pending

    def wait(self, pending: Pending, until: Callable[[Pending], bool] | None = None) -> Reply:
        """Wait for the request's end, or, with `until`, for what has arrived to satisfy it."""
        with self._changed:
            while pending.ended is None and not (until and until(pending)):
                try:
                    self._sleep(pending.until, pending.argv)
                except ChannelError:
                    self._pending.pop(pending.id, None)
                    raise
            return Reply(pending.ended or "running", bytes(pending.data), bytes(pending.log))

    def cancel(self, pending: Pending) -> None:
        """End a request's whole process group."""
        self._send(CANCEL, pending.id, b"")

    @property
    def alive(self) -> bool:
        """Whether the probe can still be asked."""
        return self._failure is None

    def _feed(self, pending: Pending, data: bytes) -> None:
        pieces = [data[at : at + INPUT_PIECE] for at in range(0, len(data), INPUT_PIECE)]
        for piece in [*pieces, b""]:
            with self._changed:
                while pending.credits == 0 and pending.ended is None:
                    self._sleep(pending.until, pending.argv)
                if pending.ended is not None:
                    return
                pending.credits -= 1
            self._send(INPUT, pending.id, piece)

    def _await_hello(self, nonce: str, deadline: float) -> str:
        until = time.monotonic() + deadline
        with self._changed:
            while self._hello is None:
                self._sleep(until, ("hello",))
        words = self._hello.decode("ascii", "replace").split(" ")
        if len(words) != 4 or words[:2] != ["ISOLATION", "1"]:
            raise self._error("speaks another protocol version than this plugin")
        if words[2] != nonce:
            raise self._error("carries another nonce than it was given")
        return words[3]

    def _sleep(self, until: float, argv: Sequence[str]) -> None:
        """Wait for a change (the condition is held); ChannelError when the channel broke or time is up."""
        self._check_alive(argv)
        left = until - time.monotonic()
        woken = left > 0 and self._changed.wait(left)
        if not woken and self._failure is None and time.monotonic() >= until:
            raise self._error(f"did not answer '{argv[0]}' in time")

    def _check_alive(self, argv: Sequence[str]) -> None:
        if self._failure is not None:
            raise self._error(f"{self._failure} (asked for '{argv[0]}')")

    def _error(self, why: str) -> ChannelError:
        said = last_line(self._stream.errors()) or last_line(self.noise)
        text = f"cannot talk to '{self._name}': its probe {why}"
        log = (self._stream.errors() + self.noise).decode("utf-8", "backslashreplace")[-4000:]
        return ChannelError(f"{text}: {said}" if said else text, log=log)

    def _send(self, kind: int, identity: int, payload: bytes) -> None:
        try:
            with self._write_lock:
                self._stream.write(HEADER.pack(len(payload), identity, kind) + payload)
        except TimeoutError:
            self._fail("does not read what it is sent")
        except (OSError, ValueError):  # ValueError: closed meanwhile
            self._fail("ended")

    def _fail(self, why: str) -> None:
        with self._changed:
            if self._failure is None:
                self._failure = why
            for pending in self._pending.values():
                pending.ended, pending.lost = "end of stream", True
            self._pending.clear()
            self._changed.notify_all()

    def _read_all(self) -> None:
        buffer = bytearray()
        synced = False
        why = "ended"
        for chunk in iter(self._stream.read, b""):
            buffer += chunk
            if not synced:
                at = buffer.find(MAGIC)
                if at < 0 and len(buffer) <= MAX_NOISE:
                    self.noise = bytes(buffer)
                    continue
                if at < 0 or at > MAX_NOISE:
                    why = "sent 64 KiB of something else before its hello"
                    break
                self.noise = bytes(buffer[:at])
                del buffer[: at + len(MAGIC)]
                synced = True
            fault = self._take_frames(buffer)
            if fault:
                why = fault
                break
        self._fail(why)

    def _take_frames(self, buffer: bytearray) -> str | None:
        """Take every whole frame off the buffer; return what is wrong with the stream, or None."""
        while len(buffer) >= HEADER.size:
            length, identity, kind = HEADER.unpack_from(buffer)
            if length > MAX_PAYLOAD or kind > LOG:
                return "sent bytes outside a frame"
            if len(buffer) < HEADER.size + length:
                return None
            payload = bytes(buffer[HEADER.size : HEADER.size + length])
            del buffer[: HEADER.size + length]
            with self._changed:
                fault = self._take(kind, identity, payload)
                self._changed.notify_all()
            if fault:
                return fault
        return None

    def _take(self, kind: int, identity: int, payload: bytes) -> str | None:
        if kind == HELLO:
            if self._hello is not None:
                return "said hello twice"
            self._hello = payload
            return None
        if self._hello is None:
            return "answered before its hello"
        pending = self._pending.get(identity)
        if pending is None:  # a late frame of a request that was given up
            return None if 0 < identity <= self._last_id else "answered nobody's request"
        if kind in (DATA, LOG):
            (pending.data if kind == DATA else pending.log).extend(payload)
            if len(pending.data) + len(pending.log) > pending.bound + MAX_PAYLOAD:
                return "sent more than it was asked for"
        elif kind == CREDIT:
            pending.credits = min(INPUT_CREDITS, pending.credits + 1)
        elif kind == RESULT and len(payload) == 2 and payload[0] in (0, 1):
            self._end(pending, f"{'exit' if payload[0] == 0 else 'signal'} {payload[1]}")
        elif kind == ERROR:
            self._end(pending, last_line(payload) or "an error without a text")
        else:
            return "sent a frame of an unknown kind"
        return None

    def _end(self, pending: Pending, how: str) -> None:
        pending.ended = how
        del self._pending[pending.id]


def _request(argv: Sequence[str], deadline: float, bound: int) -> bytes:
    """Return a request's payload."""
    if any("\0" in part for part in argv):
        raise ChannelError("cannot send an argument that holds a NUL byte")
    body = struct.pack(">II", int(deadline * 1000), bound) + b"".join(os.fsencode(part) + b"\0" for part in argv)
    if len(body) > MAX_PAYLOAD:
        raise ChannelError(
            f"cannot send '{argv[0]}': its arguments take {len(body)} bytes, a request holds {MAX_PAYLOAD}",
            hint="hand it on standard input",
        )
    return body
