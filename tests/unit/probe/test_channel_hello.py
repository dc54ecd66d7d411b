"""Whatever a hostile probe says first, the channel is refused with one ChannelError within its deadline."""

from __future__ import annotations

import pytest
from channel_ends import OK, answer, connect, refusal
from fakes import NONCE, FakeStream, frame, hello

from provisioner import deadlines
from provisioner.errors import IsolationError
from provisioner.probe.channel import Channel
from provisioner.probe.frames import (
    HELLO,
    MAGIC,
    MAX_NOISE,
    RESULT,
)

pytestmark = pytest.mark.usefixtures("no_grace")


def test_a_hello_names_the_probe_that_was_built() -> None:
    _, channel = connect(hello())

    assert channel.probe_hash == "cafe"
    assert channel.alive


def test_no_hello_ends_at_the_deadline() -> None:
    assert "did not answer 'hello' in time" in refusal()


def test_a_silent_probe_is_checked_for_and_a_refusal_ends_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(deadlines._SECONDS, "daemon.check", 0.05)
    answers = [None, None, IsolationError("cannot use 'docker'")]

    def check() -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    with pytest.raises(IsolationError, match="cannot use 'docker'"):
        Channel(FakeStream(), NONCE, "fake", 60, check)
    assert answers == []


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
