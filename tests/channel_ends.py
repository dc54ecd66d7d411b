"""A channel to a probe that the test plays, and the answers and refusals that come of it.

Use the fixture `no_grace` with these: a probe that stalls is given up at the deadline itself.
"""

from __future__ import annotations

import time

import pytest
from fakes import NONCE, FakeStream, frame, hello

from provisioner.connection.local import Check
from provisioner.probe.channel import Channel
from provisioner.probe.frames import (
    DATA,
    RESULT,
    ChannelError,
)

SHORT = 0.2
STALL = 30.0  # what a busy machine may take for any of these
OK = b"\0\0"


def connect(
    *said: bytes, seconds: float = SHORT, errors: bytes = b"", check: Check | None = None
) -> tuple[FakeStream, Channel]:
    stream = FakeStream(*said, errors=errors)
    return stream, Channel(stream, NONCE, "fake", seconds, check)


def refusal(*said: bytes, end: bool = False, errors: bytes = b"") -> str:
    """Return why a channel whose probe says this at its start is refused, in one line and in time."""
    stream = FakeStream(*said, errors=errors)
    if end:
        stream.end()
    started = time.monotonic()
    with pytest.raises(ChannelError) as error:
        Channel(stream, NONCE, "fake", STALL if said or end else SHORT)
    assert time.monotonic() - started < STALL
    stream.end()
    assert str(error.value).isprintable()
    return str(error.value)


def answer(*said: bytes) -> str:
    """Return why a request that is answered like this fails, in one line and in time."""
    stream, channel = connect(hello(), seconds=STALL)
    pending = channel.start("facts", deadline=STALL if said else SHORT)
    stream.say(b"".join(said))
    started = time.monotonic()
    with pytest.raises(ChannelError) as error:
        channel.wait(pending)
        channel.request("facts", deadline=STALL)  # the first one's end tells only that the stream ended
    assert time.monotonic() - started < STALL
    stream.end()
    assert str(error.value).isprintable()
    return str(error.value)


def serve(stream: FakeStream, *said: bytes) -> None:
    """Answer the next request: its output in pieces, then exit 0."""
    _, identity, _ = stream.asked()
    stream.say(b"".join(frame(DATA, identity, piece) for piece in said) + frame(RESULT, identity, OK))
