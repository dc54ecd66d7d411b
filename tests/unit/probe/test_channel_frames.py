"""A frame that no probe may send ends the channel, within its deadline."""

from __future__ import annotations

import time

import pytest
from channel_ends import SHORT, STALL, answer, connect
from fakes import frame, hello, wait_for
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.probe.frames import (
    CANCEL,
    DATA,
    HEADER,
    INPUT,
    LOG,
    MAX_PAYLOAD,
    REQUEST,
    RESULT,
    ChannelError,
)

pytestmark = pytest.mark.usefixtures("no_grace")


def test_a_frame_that_is_too_long_is_refused() -> None:
    assert "outside a frame" in answer(HEADER.pack(MAX_PAYLOAD + 1, 1, DATA))


@pytest.mark.parametrize("kind", [LOG + 1, 255])
def test_a_frame_of_an_unknown_type_is_refused(kind: int) -> None:
    assert "outside a frame" in answer(frame(kind, 1))


@pytest.mark.parametrize("kind", [REQUEST, CANCEL, INPUT])
def test_a_frame_that_only_the_host_sends_is_refused(kind: int) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    pending = channel.start("facts", deadline=STALL)

    stream.say(frame(kind, pending.id))

    wait_for(lambda: not channel.alive)
    assert channel.wait(pending).ended == "end of stream"


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\0\0", b"\2\0"])
def test_a_result_of_another_shape_is_refused(payload: bytes) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    pending = channel.start("facts", deadline=STALL)

    stream.say(frame(RESULT, pending.id, payload))

    wait_for(lambda: not channel.alive)
    with pytest.raises(ChannelError, match="unknown kind"):
        channel.request("facts", deadline=SHORT)


@pytest.mark.parametrize("identity", [0, 2, 0xFFFFFFFF])
def test_an_answer_that_nobody_asked_for_is_refused(identity: int) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    pending = channel.start("facts", deadline=STALL)

    stream.say(frame(DATA, identity, b"x"))

    wait_for(lambda: not channel.alive)
    assert not channel.wait(pending).ok
    with pytest.raises(ChannelError, match="answered a request that was not sent"):
        channel.request("facts", deadline=SHORT)


def test_bytes_after_the_last_frame_end_the_channel() -> None:
    assert "outside a frame" in answer(frame(DATA, 1), b"Linux version 6.1 panics here\n")


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_after_the_hello_end_in_time(data: bytes) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    stream.say(data)
    stream.end()

    started = time.monotonic()
    with pytest.raises(ChannelError):
        for _ in range(2):  # random bytes may spell an answer to one request
            channel.request("facts", deadline=SHORT)
    assert time.monotonic() - started < 2 * SHORT + STALL
