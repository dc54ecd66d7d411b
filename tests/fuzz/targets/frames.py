"""The channel to a probe: its hello, and the frames that it answers."""

from __future__ import annotations

import threading

from fakes import NONCE, FakeStream, frame, hello

from fuzz.inputs import Sample
from fuzz.targets import Target
from provisioner.probe.channel import Channel
from provisioner.probe.frames import CREDIT, DATA, ERROR, LOG, RESULT, ChannelError

SECONDS = 5.0  # no input waits: the stream ends


def samples() -> tuple[Sample, ...]:
    answer = frame(LOG, 1, b"note\n") + frame(DATA, 1, b"out\n") + frame(CREDIT, 1, b"\0\0\x40\0")
    return (
        Sample("result", data=hello() + answer + frame(RESULT, 1, b"\0\0")),
        Sample("signal", data=hello() + answer + frame(RESULT, 1, b"\1\x09")),
        Sample("error", data=hello() + frame(ERROR, 1, b"no such request")),
    )


class LateStream(FakeStream):
    """Gives the bytes after the hello when it was asked something, and then ends."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._pieces = [data[: len(hello())], data[len(hello()) :], b""]
        self._wait = data.startswith(hello())
        self._was_asked = threading.Event()

    def write(self, data: bytes) -> None:
        super().write(data)
        self._was_asked.set()

    def read(self) -> bytes:
        if len(self._pieces) == 2 and self._wait:
            self._was_asked.wait(SECONDS)
        return self._pieces.pop(0) if self._pieces else b""


def read(data: bytes) -> None:
    stream = LateStream(data)
    try:
        channel = Channel(stream, NONCE, "fuzz", SECONDS)
        reply = channel.request("facts", deadline=SECONDS)
    except ChannelError as error:
        assert "in time" not in str(error), "its reader died"  # noqa: PT017
        raise
    assert reply.ended.isprintable()


TARGETS = (Target("frames", samples, read),)
