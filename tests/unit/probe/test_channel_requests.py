"""Requests are answered whole, within their deadlines, or end in one ChannelError."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from channel_ends import OK, SHORT, STALL, answer, connect, serve
from fakes import NONCE, frame, hello, request_of, wait_for

from provisioner import deadlines
from provisioner.connection.local import LocalConnection
from provisioner.errors import IsolationError
from provisioner.probe.channel import Channel
from provisioner.probe.frames import (
    CREDIT,
    DATA,
    ERROR,
    INPUT,
    INPUT_CREDITS,
    INPUT_PIECE,
    LOG,
    MAX_OPEN,
    MAX_PAYLOAD,
    REQUEST,
    RESULT,
    ChannelError,
)
from provisioner.probe.request import Reply

pytestmark = pytest.mark.usefixtures("no_grace")


def test_an_answer_is_put_together(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    asked = pool.submit(channel.request, "echo", "a b", deadline=STALL, bound=100)

    kind, identity, payload = stream.asked()
    stream.say(frame(DATA, identity, b"one ") + frame(LOG, identity, b"!"))
    stream.say(frame(DATA, identity, b"two") + frame(RESULT, identity, b"\0\7"))

    assert (kind, request_of(payload)) == (REQUEST, (STALL, 100, ["echo", "a b"]))
    assert Reply("exit 7", b"one two", b"!") == asked.result()


def test_a_check_that_refuses_ends_a_request_and_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(deadlines._SECONDS, "daemon.check", 0.05)
    stream, channel = connect(hello(), seconds=STALL, check=refuse)

    with pytest.raises(IsolationError, match="cannot use 'docker'"):
        channel.request("facts", deadline=STALL)
    assert not channel.alive
    assert stream.asked()


def refuse() -> None:
    raise IsolationError("cannot use 'docker'")


def test_a_child_killed_is_an_answer(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    asked = pool.submit(channel.request, "load", deadline=STALL)

    stream.say(frame(RESULT, stream.asked()[1], b"\1\t"))

    assert asked.result().ended == "signal 9"
    assert channel.alive


def test_an_error_frame_is_an_answer_of_one_line(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    asked = pool.submit(channel.request, "load", deadline=STALL)

    stream.say(frame(ERROR, stream.asked()[1], b"unknown verb 'load'\n\x1b[2J"))

    assert asked.result().ended.isprintable()
    assert channel.alive


def test_a_stall_ends_at_the_deadline() -> None:
    assert "did not answer 'facts' in time" in answer()


def test_a_drip_does_not_move_the_deadline(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    stop = threading.Event()

    def drip() -> None:
        identity = stream.asked()[1]
        while not stop.wait(0.01):
            stream.say(frame(DATA, identity, b""))

    dripping = pool.submit(drip)
    started = time.monotonic()
    with pytest.raises(ChannelError, match="in time"):
        channel.request("facts", deadline=SHORT)
    took = time.monotonic() - started
    stop.set()
    dripping.result()

    assert took < SHORT + STALL


def test_a_late_answer_to_a_request_given_up_is_passed_over(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    with pytest.raises(ChannelError, match="in time"):
        channel.request("facts", deadline=SHORT)
    late = stream.asked()[1]
    stream.say(frame(DATA, late, b"old") + frame(RESULT, late, OK))

    asked = pool.submit(channel.request, "facts", deadline=STALL)
    serve(stream, b"new")

    assert asked.result().data == b"new"


def test_more_than_the_bound_ends_the_channel() -> None:
    stream, channel = connect(hello(), seconds=STALL)
    pending = channel.start("facts", deadline=STALL, bound=64)

    stream.say(frame(DATA, pending.id, b"x" * MAX_PAYLOAD) + frame(LOG, pending.id, b"x" * MAX_PAYLOAD))

    wait_for(lambda: not channel.alive)
    assert len(channel.wait(pending).data) <= 64 + MAX_PAYLOAD
    with pytest.raises(ChannelError, match="more output than requested"):
        channel.request("facts", deadline=SHORT)


def test_a_probe_that_dies_in_the_middle_of_a_frame_is_one_error(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    asked = pool.submit(channel.request, "facts", deadline=STALL)
    stream.say(frame(DATA, stream.asked()[1], b"x" * 100)[:50])
    stream.end()

    with pytest.raises(ChannelError, match=r"its probe ended \(asked for 'facts'\)"):
        asked.result(STALL / 2)
    assert not channel.alive


def test_every_open_request_hears_of_the_end_at_once(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    asked = [pool.submit(channel.request, "facts", deadline=60) for _ in range(MAX_OPEN)]
    for _ in asked:
        stream.asked()
    stream.end()

    for one in asked:
        assert isinstance(one.exception(2), ChannelError)


def test_a_load_that_takes_the_stream_with_it_keeps_what_it_said() -> None:
    stream, channel = connect(hello(), seconds=STALL)
    pending = channel.start("load", deadline=STALL)
    stream.say(frame(DATA, pending.id, b"step 1\n"))
    stream.end()

    assert Reply("end of stream", b"step 1\n", b"") == channel.wait(pending)


def test_a_request_after_the_end_is_refused_at_once() -> None:
    stream, channel = connect(hello(), seconds=STALL)
    stream.end()
    wait_for(lambda: not channel.alive)

    with pytest.raises(ChannelError, match="ended"):
        channel.request("facts", deadline=60)


def test_a_seventeenth_request_waits_for_a_place(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    asked = [pool.submit(channel.request, "facts", deadline=STALL) for _ in range(MAX_OPEN + 1)]
    identities = [stream.asked()[1] for _ in range(MAX_OPEN)]

    assert stream.silent()
    stream.say(frame(RESULT, identities[3], OK))
    identities.append(stream.asked()[1])
    for identity in identities[:3] + identities[4:]:
        stream.say(frame(RESULT, identity, OK))

    assert all(one.result(STALL).ok for one in asked)


def test_a_seventeenth_request_gives_up_at_its_deadline() -> None:
    stream, channel = connect(hello(), seconds=STALL)
    for _ in range(MAX_OPEN):
        channel.start("facts", deadline=60)

    with pytest.raises(ChannelError, match="in time"):
        channel.start("facts", deadline=SHORT)
    stream.end()


# --- input


def test_no_more_than_two_inputs_are_unacknowledged(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    data = bytes(range(256)) * 256  # four pieces
    asked = pool.submit(channel.request, "echo", deadline=STALL, data=data)
    identity = stream.asked()[1]
    taken = bytearray()
    for _ in range(5):
        kind, to, piece = stream.asked()
        taken += piece
        assert (kind, to) == (INPUT, identity)
        assert len(piece) <= INPUT_PIECE
        stream.say(frame(CREDIT, identity))
    stream.say(frame(RESULT, identity, OK))

    assert asked.result().ok
    assert bytes(taken) == data


def test_input_waits_for_credits(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    asked = pool.submit(channel.request, "echo", deadline=SHORT, data=b"x" * 3 * INPUT_PIECE)
    stream.asked()
    assert [stream.asked()[0] for _ in range(2)] == [INPUT, INPUT]

    with pytest.raises(ChannelError, match="in time"):
        asked.result()
    assert stream.silent()


def test_credits_that_were_never_owed_do_not_add_up(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    pending = channel.start("echo", deadline=STALL)
    stream.say(frame(CREDIT, pending.id) * 100)
    stream.say(frame(DATA, pending.id, b"seen"))
    channel.wait(pending, until=lambda one: bool(one.data))

    assert pending.credits == INPUT_CREDITS
    stream.end()


def test_input_ends_when_the_request_does(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    asked = pool.submit(channel.request, "echo", deadline=STALL, data=b"x" * 1_000_000)

    stream.say(frame(ERROR, stream.asked()[1], b"unknown verb 'echo'"))

    assert asked.result().ended == "unknown verb 'echo'"


# --- what cannot be sent


def test_an_argument_with_a_nul_byte_is_refused_and_costs_no_place() -> None:
    stream, channel = connect(hello(), seconds=STALL)
    for _ in range(MAX_OPEN + 1):
        with pytest.raises(ChannelError, match="NUL"):
            channel.start("run", "a\0b", deadline=SHORT)

    assert channel.start("facts", deadline=STALL).id == 1
    stream.end()


def test_arguments_that_fill_no_frame_are_refused_and_the_channel_lives() -> None:
    stream, channel = connect(hello(), seconds=STALL)

    with pytest.raises(ChannelError, match="standard input"):
        channel.request("run", "x" * MAX_PAYLOAD, deadline=SHORT)

    assert channel.alive
    assert stream.silent()


def test_a_probe_that_does_not_read_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.connection.child.deadline", lambda name: SHORT)
    said = "".join(f"\\{byte:03o}" for byte in hello())
    stream = LocalConnection().start(["sh", "-c", f"printf '{said}'; exec sleep 60"])
    try:
        channel = Channel(stream, NONCE, "deaf", 10)
        started = time.monotonic()
        for _ in range(3):
            channel.start("run", "x" * (MAX_PAYLOAD - 100), deadline=60)

        with pytest.raises(ChannelError, match="does not read"):
            channel.request("facts", deadline=60)
        assert time.monotonic() - started < SHORT + STALL
    finally:
        stream.kill()
