"""The channel to a real probe in each runtime: bytes, requests at once, deaths, and what is made anew."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from fakes import wait_for

from provisioner.connection.local import Stream
from provisioner.probe.channel import Channel
from provisioner.probe.frames import INPUT_PIECE, ChannelError
from pytest_isolation.session.state import STATE

if TYPE_CHECKING:
    from pytest_isolation.live.sandbox import LiveView
    from pytest_isolation.observe.sandboxes import SandboxCache

MILLION = 1_000_000


@pytest.fixture
def sandboxes(request: pytest.FixtureRequest, sandbox: LiveView) -> SandboxCache:
    return request.config.stash[STATE].sandboxes


def subject_pid(sandbox: LiveView) -> int:
    """Return the process whose end is the sandbox's: the subject, the hypervisor, or the place's own probe."""
    live = sandbox.live
    looked = live.vmm() or live.outside()
    if looked is not None:
        return looked.process.pid
    assert live._stream is not None
    return live._stream.pid


def test_a_million_bytes_go_there_and_back(sandbox: LiveView) -> None:
    data = os.urandom(MILLION)

    reply = sandbox.live.request("echo", data=data, bound=MILLION, seconds=60)

    assert reply.ended == "exit 0"
    assert reply.data == data


def test_bytes_that_a_terminal_would_change_come_back_as_they_were(sandbox: LiveView) -> None:
    data = bytes(range(256)) * (3 * INPUT_PIECE // 256) + b"\r\n\x03\x04\x11\x13\x1a\x7f\xff"

    assert sandbox.live.request("echo", data=data, bound=len(data)).data == data


def test_sixteen_requests_at_once_do_not_mix(sandbox: LiveView) -> None:
    sent = [os.urandom(20_000) for _ in range(16)]

    with ThreadPoolExecutor(16) as threads:
        replies = list(
            threads.map(lambda data: sandbox.live.request("echo", data=data, bound=20_000, seconds=60), sent)
        )

    assert [reply.data for reply in replies] == sent


def test_forty_requests_at_once_are_all_answered(sandbox: LiveView) -> None:
    with ThreadPoolExecutor(40) as threads:
        replies = list(threads.map(lambda _: sandbox.live.request("echo", data=b"x", seconds=60), range(40)))

    assert {reply.data for reply in replies} == {b"x"}


def test_a_cancelled_load_ends_and_others_do_not(sandbox: LiveView) -> None:
    channel = sandbox.live.channel
    pending = channel.start("load", "cpu", "1", "50000", deadline=60)

    channel.cancel(pending)

    assert channel.wait(pending).ended == "cancelled"
    assert sandbox.live.request("echo", data=b"alive").data == b"alive"


def test_a_deadline_is_kept_by_the_probe_itself(sandbox: LiveView) -> None:
    started = time.monotonic()

    reply = sandbox.live.request("load", "cpu", "1", "50000", seconds=0.5)

    assert reply.ended == "deadline"
    assert time.monotonic() - started < 25  # of the 50 that it asked for
    assert sandbox.live.request("echo", data=b"alive").data == b"alive"


def test_more_output_than_the_bound_is_refused_and_others_go_on(sandbox: LiveView) -> None:
    reply = sandbox.live.request("echo", data=b"x" * 100_000, bound=1000, seconds=60)

    assert reply.ended == "too much output"
    assert sandbox.live.request("echo", data=b"alive").data == b"alive"


def test_an_unknown_verb_is_an_answer(sandbox: LiveView) -> None:
    assert sandbox.live.request("no-such-verb").ended.startswith("unknown verb")


def test_facts_carry_the_nonce_that_was_given(sandbox: LiveView) -> None:
    assert sandbox.live.inside().nonce == sandbox.live.nonce


def test_a_server_that_was_killed_is_one_error_and_the_sandbox_is_made_anew(
    sandbox: LiveView, sandboxes: SandboxCache
) -> None:
    before = sandbox.live
    recreated = sandboxes.recreated
    pending = before.channel.start("load", "cpu", "1", "50000", deadline=60)

    os.kill(subject_pid(sandbox), signal.SIGKILL)

    assert before.channel.wait(pending).ended == "end of stream"
    wait_for(lambda: not before.alive)
    with pytest.raises(ChannelError) as error:
        before.request("echo", data=b"x")
    assert str(error.value).isprintable()
    after = sandbox.live
    assert after is not before
    assert after.request("echo", data=b"anew").data == b"anew"
    assert sandboxes.recreated == recreated + 1


def test_a_request_under_way_hears_that_the_server_was_killed(sandbox: LiveView) -> None:
    live = sandbox.live
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(live.request, "load", "cpu", "1", "50000", seconds=60)
        wait_for(lambda: bool(live.channel._pending))
        os.kill(subject_pid(sandbox), signal.SIGKILL)

        assert isinstance(asked.exception(20), ChannelError)


def test_a_closed_sandbox_is_asked_in_vain(sandbox: LiveView, sandboxes: SandboxCache) -> None:
    from provisioner.sandboxes.spec import Spec

    further = sandboxes.create(sandbox.measurements.target, Spec(network=next(iter(sandbox.live.runtime.network))))
    further.close()
    further.close()

    wait_for(lambda: not further.alive)
    with pytest.raises(ChannelError):
        further.inside()


def test_another_nonce_is_refused(sandbox: LiveView, sandboxes: SandboxCache) -> None:
    """The probe was told one nonce, the host expects another: somebody else's probe answers."""
    host = sandboxes.hosts.local
    stream: Stream = host.connection.start([str(host.probe.path), "serve", "a" * 16])
    try:
        with pytest.raises(ChannelError, match="another nonce"):
            Channel(stream, "b" * 16, sandbox.target.id, 10)
    finally:
        stream.kill()


def test_the_probe_that_answers_is_the_one_that_was_built(sandbox: LiveView, sandboxes: SandboxCache) -> None:
    assert sandbox.live.channel.probe_hash == sandboxes.hosts.local.probe.hash
