"""provisioner.probe.channel: whatever a hostile probe sends ends in one ChannelError, within its deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes import NONCE, FakeStream, frame, hello, request_of, wait_for
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.connection.local import LocalConnection
from provisioner.probe import channel as module
from provisioner.probe.channel import Channel
from provisioner.probe.frames import (
    CANCEL,
    CREDIT,
    DATA,
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
from provisioner.probe.request import Reply

SHORT = 0.2
STALL = 30.0  # what a busy machine may take for any of these
OK = b"\0\0"


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that stalls is given up at the deadline itself."""
    monkeypatch.setattr(module, "GRACE", 0.0)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as threads:
        yield threads


def connect(*said: bytes, seconds: float = SHORT, errors: bytes = b"") -> tuple[FakeStream, Channel]:
    stream = FakeStream(*said, errors=errors)
    return stream, Channel(stream, NONCE, "fake", seconds)


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


# --- hello


def test_a_hello_names_the_probe_that_was_built() -> None:
    _, channel = connect(hello())

    assert channel.probe_hash == "cafe"
    assert channel.alive


def test_no_hello_ends_at_the_deadline() -> None:
    assert "did not answer 'hello' in time" in refusal()


def test_an_end_before_the_hello_quotes_the_error_stream() -> None:
    assert refusal(end=True, errors=b"\nno such image: x\n").endswith(
        "its probe ended (asked for 'hello'): no such image: x"
    )


def test_an_end_before_the_hello_quotes_the_noise() -> None:
    assert refusal(b"Segmentation fault\n", end=True).endswith(": Segmentation fault")


def test_what_is_quoted_cannot_forge_output() -> None:
    assert "\x1b" not in refusal(b"\x1b[2Jall \x07passed\n", end=True)


def test_noise_before_the_hello_is_kept() -> None:
    _, channel = connect(b"Spawning container\r\n", b"x" * (MAX_NOISE - 20), hello())

    assert channel.noise.startswith(b"Spawning container")
    assert len(channel.noise) == MAX_NOISE


def test_a_hello_byte_by_byte_is_understood() -> None:
    _, channel = connect(*[bytes([byte]) for byte in b"\x7fnoise" + hello()])

    assert channel.noise == b"\x7fnoise"


@pytest.mark.parametrize("tail", [b"", hello()])
def test_more_than_64_kib_of_noise_is_refused(tail: bytes) -> None:
    assert "64 KiB" in refusal(b"x" * (MAX_NOISE + 1), tail)


def test_endless_noise_is_refused_at_its_bound() -> None:
    assert "64 KiB" in refusal(*[b"x" * 4096] * 17)


def test_another_nonce_is_refused() -> None:
    assert "another nonce" in refusal(hello(nonce="f" * 16))


def test_another_version_is_refused() -> None:
    assert "another protocol version" in refusal(hello(version="2"))


@pytest.mark.parametrize("payload", [b"", b"ISOLATION", b"ISOLATION 1 " + NONCE.encode(), b"\xff" * 40])
def test_a_hello_of_another_shape_is_refused(payload: bytes) -> None:
    assert "in time" not in refusal(MAGIC + frame(HELLO, 0, payload))


def test_an_answer_before_the_hello_is_refused() -> None:
    assert "before its hello" in refusal(MAGIC + frame(RESULT, 1, OK))


def test_hello_twice_is_refused() -> None:
    assert "two hello frames" in answer(hello()[len(MAGIC) :])


# --- frames


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


# --- requests


def serve(stream: FakeStream, *said: bytes) -> None:
    """Answer the next request: its output in pieces, then exit 0."""
    _, identity, _ = stream.asked()
    stream.say(b"".join(frame(DATA, identity, piece) for piece in said) + frame(RESULT, identity, OK))


def test_an_answer_is_put_together(pool: ThreadPoolExecutor) -> None:
    stream, channel = connect(hello(), seconds=STALL)
    asked = pool.submit(channel.request, "echo", "a b", deadline=STALL, bound=100)

    kind, identity, payload = stream.asked()
    stream.say(frame(DATA, identity, b"one ") + frame(LOG, identity, b"!"))
    stream.say(frame(DATA, identity, b"two") + frame(RESULT, identity, b"\0\7"))

    assert (kind, request_of(payload)) == (REQUEST, (STALL, 100, ["echo", "a b"]))
    assert Reply("exit 7", b"one two", b"!") == asked.result()


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
    monkeypatch.setattr("provisioner.connection.local.deadline", lambda name: SHORT)
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
