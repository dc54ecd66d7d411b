"""Sends requests to a serving probe and receives its answers (docs/reference/protocol.md).

In: a Stream and the nonce of its probe.  Out: `Reply`s, or `ChannelError`.
Each channel has one thread, which reads all the time.  Every request has a deadline.  Received bytes are not trusted:
lengths, ids and types are checked, and the output of a request is bounded here too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from provisioner.connection.local import Check, Stream, last_line
from provisioner.deadlines import deadline as seconds_of
from provisioner.errors import IsolationError
from provisioner.probe.frames import (
    CANCEL,
    CREDIT,
    DATA,
    END,
    ERROR,
    HEADER,
    HELLO,
    INPUT,
    INPUT_CREDITS,
    INPUT_PIECE,
    LOG,
    MAGIC,
    MAX_NOISE,
    MAX_OPEN,
    MAX_PAYLOAD,
    REQUEST,
    RESULT,
    ChannelError,
)
from provisioner.probe.request import Pending, Reply, encode_request

GRACE = 2.0  # seconds after a deadline in which the probe may report it


class Channel:
    """
    The connection to one probe.

    Args:
        stream: the attached streams of the command that started the probe.
        nonce: the nonce that the hello frame must have.
        name: of the sandbox or host, for errors.
        deadline: seconds until the hello frame must have arrived.
        check: called every "daemon.check" seconds of a wait; what it raises ends the channel.

    Raises:
        ChannelError: the hello frame is wrong, or did not arrive in time.
    """

    def __init__(self, stream: Stream, nonce: str, name: str, deadline: float, check: Check | None = None) -> None:
        self._stream = stream
        self._name = name
        self._check = check
        self._changed = threading.Condition()
        self._write_lock = threading.Lock()
        self._pending: dict[int, Pending] = {}
        self._last_id = 0
        self._failure: str | None = None
        self._hello: bytes | None = None
        self.noise = b""
        self.broken = False  # whether the probe broke the protocol: what it still sends is not read
        self._reader = threading.Thread(target=self._read_all, name=f"isolation-{name}", daemon=True)
        self._reader.start()
        self.probe_hash = self._await_hello(nonce, deadline)

    def request(self, *argv: str, deadline: float, bound: int = 1 << 16, data: bytes | None = None) -> Reply:
        """
        Send a request and wait for its end.

        Args:
            argv: the verb and its arguments.
            deadline: seconds that it may take.
            bound: the most bytes of output.
            data: its standard input; None for verbs that read none.

        Raises:
            ChannelError: the stream ended, the probe broke the protocol, or the answer did not arrive in time.
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
        Send a request and return at once.  At most 16 are open; a further one waits until one ends.

        If the stream ends meanwhile, `wait` returns a Reply that ended with "end of stream": a load may kill the probe.

        Args:
            argv: the verb and its arguments.
            deadline: seconds that it may take.
            bound: the most bytes of output.

        Raises:
            ChannelError: the stream has ended, or no request ended in time.
        """
        until = time.monotonic() + deadline
        body = encode_request(argv, deadline, bound)
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
        """Wait until the request has ended, or until the condition `until` is true."""
        with self._changed:
            while pending.ended is None and not (until and until(pending)):
                try:
                    self._sleep(pending.until, pending.argv)
                except IsolationError:
                    self._pending.pop(pending.id, None)
                    raise
            return Reply(pending.ended or "running", bytes(pending.data), bytes(pending.log))

    def cancel(self, pending: Pending) -> None:
        """Kill the process group of a request."""
        self._send(CANCEL, pending.id, b"")

    def end(self) -> None:
        """End the probe: a terminal between has no end of input."""
        if self.alive:
            self._send(END, 0, b"")

    @property
    def alive(self) -> bool:
        """Whether requests can still be sent."""
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
            raise self._error("has another nonce")
        return words[3]

    def _sleep(self, until: float, argv: Sequence[str]) -> None:
        """Wait for a change; the caller holds the condition.  Raise ChannelError at `until` or if the channel broke."""
        self._check_alive(argv)
        left = until - time.monotonic()
        pause = left if self._check is None else min(left, seconds_of("daemon.check"))
        woken = left > 0 and self._changed.wait(pause)
        if woken or self._failure is not None:
            return
        if time.monotonic() >= until:
            raise self._error(f"did not answer '{argv[0]}' in time")
        if self._check is not None:
            self._ask(self._check)

    def _ask(self, check: Check) -> None:
        try:
            check()
        except IsolationError:
            self._fail("is behind a daemon that does not answer")
            raise

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
            self._fail("does not read its input")
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
                    why = "sent 64 KiB of other bytes before its hello frame"
                    break
                self.noise = bytes(buffer[:at])
                del buffer[: at + len(MAGIC)]
                synced = True
            fault = self._take_frames(buffer)
            if fault:
                why = fault
                break
        self.broken = why != "ended"
        self._fail(why)

    def _take_frames(self, buffer: bytearray) -> str | None:
        """Remove the complete frames from the buffer; return what is wrong with the stream, or None."""
        while len(buffer) >= HEADER.size:
            length, identity, kind = HEADER.unpack_from(buffer)
            if length > MAX_PAYLOAD or kind > LOG:
                return f"sent bytes outside a frame: {_shown(buffer)}"
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
                return "sent two hello frames"
            self._hello = payload
            return None
        if self._hello is None:
            return "answered before its hello frame"
        pending = self._pending.get(identity)
        if pending is None:  # a late frame of a request that the host gave up
            return None if 0 < identity <= self._last_id else "answered a request that was not sent"
        if kind in (DATA, LOG):
            (pending.data if kind == DATA else pending.log).extend(payload)
            if len(pending.data) + len(pending.log) > pending.bound + MAX_PAYLOAD:
                return "sent more output than requested"
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


def _shown(data: bytearray) -> str:
    """Return the first line of foreign bytes, for an error."""
    line = bytes(data[:200]).split(b"\n")[0]
    return repr(line[:60].decode("utf-8", "backslashreplace"))
