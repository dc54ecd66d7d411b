"""The server: frames, requests, bounds, and how it ends (serve/)."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import struct
from pathlib import Path

import pytest
from served_probe import (
    CANCEL,
    CREDIT,
    DATA,
    ERROR,
    HEADER,
    HELLO,
    INPUT,
    LOG,
    PIECE,
    REQUEST,
    RESULT,
    Served,
    alive,
    as_root,
    output,
    wait_until,
)

from provisioner.facts.document import parse_facts


def test_the_first_frame_is_hello_with_the_nonce(served: Served) -> None:
    assert served.magic == b"\x7fISOPRB\n"
    assert served.hello[:2] == (0, HELLO)
    assert served.hello[2].startswith(f"ISOLATION 1 {served.nonce} ".encode())


def test_the_server_ends_at_end_of_input_and_at_sigterm(probe: Path) -> None:
    first, second = Served(probe), Served(probe)
    second.process.send_signal(signal.SIGTERM)

    assert first.end() == 0
    assert second.process.wait(60) == 0
    second.end()


def test_exit_is_answered_and_ends_the_server_and_its_requests(served: Served) -> None:
    served.ask(1, "run", "sh", "-c", "echo $$; sleep 60")
    pid = int(served.frame()[2])
    served.ask(2, "exit")

    assert served.answers(2)[2] == [(RESULT, b"\0\0")]
    assert served.process.wait(60) == 0
    wait_until(lambda: not alive(pid))


def test_output_errors_and_exit_status_arrive_separately(served: Served) -> None:
    frames = served.answer("run", "sh", "-c", "echo out; echo err >&2; exit 3")

    assert output(frames) == b"out\n"
    assert output(frames, LOG) == b"err\n"
    assert frames[-1] == (RESULT, b"\0\3")


def test_the_seventeenth_open_request_is_refused(served: Served) -> None:
    for identity in range(1, 18):
        served.ask(identity, "echo")
    assert served.answers(17)[17] == [(ERROR, b"busy")]
    for identity in reversed(range(1, 17)):
        served.send(INPUT, identity, str(identity).encode())
        served.send(INPUT, identity)
    answers = served.answers(*range(1, 17))

    assert [output(answers[identity]) for identity in range(1, 17)] == [str(n).encode() for n in range(1, 17)]


def test_a_deadline_kills_the_process_group(served: Served) -> None:
    served.ask(1, "run", "sh", "-c", "sleep 60 & echo $!; wait", deadline=500)
    answer = served.answers(1)[1]

    assert answer[-1] == (ERROR, b"deadline")
    told = [payload for kind, payload in answer if kind == LOG]
    if Path("/proc/self/schedstat").exists():
        assert re.fullmatch(rb"schedule ran_us \d+ waited_us \d+ of_us \d{6,7}\n", told[0])
    wait_until(lambda: not alive(int(output(answer))))
    assert output(served.answer("run", "echo", "on")) == b"on\n"


def test_cancel_kills_the_process_group(served: Served) -> None:
    served.ask(1, "run", "sh", "-c", "sleep 60 & echo $!; wait")
    pid = int(served.frame()[2])
    served.send(CANCEL, 1)

    assert served.answers(1)[1] == [(ERROR, b"cancelled")]
    wait_until(lambda: not alive(pid))


def test_too_much_output_ends_the_request_within_its_bound(served: Served) -> None:
    frames = served.answer("run", "sh", "-c", "cat /dev/zero & cat /dev/zero >&2", bound=100_000)

    assert frames[-1] == (ERROR, b"too much output")
    assert len(output(frames)) + len(output(frames, LOG)) <= 100_000


def test_a_killed_child_is_reported_and_the_server_continues(served: Served) -> None:
    assert served.answer("run", "sh", "-c", "kill -9 $$")[-1] == (RESULT, bytes([1, 9]))
    assert served.answer("nonsense") == [(ERROR, b"unknown verb nonsense")]


def test_a_background_process_does_not_keep_its_request_open(served: Served) -> None:
    assert output(served.answer("run", "sh", "-c", "sleep 60 & echo first")) == b"first\n"


@pytest.mark.parametrize("piece", [PIECE, 1000])
def test_a_megabyte_passes_both_ways_with_two_credits(served: Served, piece: int) -> None:
    sent = os.urandom(1 << 20)
    pieces = [sent[at : at + piece] for at in range(0, len(sent), piece)]
    served.ask(1, "echo", bound=2 << 20)
    credits, received = 2, bytearray()
    while len(received) < len(sent):
        while credits and pieces:
            served.send(INPUT, 1, pieces.pop(0))
            credits -= 1
        _, kind, payload = served.frame()
        credits += kind == CREDIT
        received += payload if kind == DATA else b""
    served.send(INPUT, 1)

    assert bytes(received) == sent
    assert served.answers(1)[1][-1] == (RESULT, b"\0\0")


def test_input_for_a_verb_without_input_is_credited(served: Served) -> None:
    served.ask(1, "load", "cpu", "1", "300")
    served.send(INPUT, 1, b"x" * PIECE)

    assert (CREDIT, b"") in served.answers(1)[1]


@pytest.mark.parametrize(
    "frame",
    [
        HEADER.pack(40000, 1, REQUEST),
        HEADER.pack(0, 1, RESULT),
        HEADER.pack(0, 1, 77),
        HEADER.pack(3, 1, REQUEST) + b"abc",
        HEADER.pack(9, 0, REQUEST) + b"\0" * 9,
        HEADER.pack(11, 1, REQUEST) + b"\0\0\1\0\0\0\1\0abc",
    ],
    ids=["too long", "not the host's", "unknown type", "short", "id 0", "without end"],
)
def test_an_invalid_frame_ends_the_server(served: Served, frame: bytes) -> None:
    served.stdin.write(frame)

    assert served.process.wait(60) == 76


def test_more_input_than_credits_ends_the_server(served: Served) -> None:
    served.ask(1, "run", "sleep", "60")
    with contextlib.suppress(BrokenPipeError):  # the server may end before the last frame is written
        for _ in range(8):  # a pipe holds 64 KiB: four frames, and two wait in the server
            served.send(INPUT, 1, b"x" * PIECE)

    assert served.process.wait(60) == 76


@pytest.mark.parametrize("seed", range(4))
def test_hostile_frames_end_the_server_or_are_answered(probe: Path, seed: int) -> None:
    """No frame makes it crash, hang or answer a request that is not open."""
    rng = random.Random(seed)
    words = [b"echo", b"load", b"net", b"facts", b"image", b"exit", b"\xff" * 90, b"", b"0", b"-1", b"9" * 30]
    for _ in range(25):
        served = Served(probe)
        with contextlib.suppress(BrokenPipeError):
            for _ in range(rng.randrange(1, 12)):
                argv = [rng.choice(words) for _ in range(rng.randrange(1, 5))]
                head = struct.pack(">II", rng.choice((0, 1, 2**32 - 1)), rng.choice((0, 7, 2**32 - 1)))
                payload = head + b"".join(word + b"\0" for word in argv) if rng.random() < 0.8 else rng.randbytes(30)
                kind = rng.choice((REQUEST, REQUEST, REQUEST, INPUT, CANCEL, rng.randrange(256)))
                served.send(kind, rng.randrange(4), payload)
        served.stdin.close()
        while served.stdout.read(PIECE):
            pass
        assert served.end() in (0, 76)


def test_frames_may_arrive_byte_by_byte(served: Served) -> None:
    for byte in HEADER.pack(8 + 9, 5, REQUEST) + struct.pack(">II", 9000, 100) + b"nonsense\0":
        served.stdin.write(bytes([byte]))

    assert served.frame() == (5, ERROR, b"unknown verb nonsense")


def test_requests_do_not_inherit_the_channel(served: Served) -> None:
    served.ask(2, "echo")
    listing = output(served.answer("run", "sh", "-c", "exec ls -l /proc/self/fd")).decode()

    assert len(re.findall(r" [0-9]+ -> ", listing)) == 4  # 0, 1, 2 and the folder that ls reads


@as_root
def test_it_serves_without_any_privileges(probe: Path) -> None:
    wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    one = Served(probe, *wrapper)
    facts = parse_facts(output(one.answer("facts", "n3")), "n3")

    assert facts.process.no_new_privs == 1
    assert facts.process.capabilities.bounding == 0
    assert one.end() == 0
