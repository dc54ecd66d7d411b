"""What a stack of seccomp filters answers, and the answers in words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "weaknesses"))
from programs import ALLOW, EPERM, KILL, program

from pytest_isolation.walls.seccomp.actions import Passes, answers, describe, errnos, passes, strictest
from pytest_isolation.walls.seccomp.syscalls import ABIS, call_numbers

X86_64 = ABIS["x86_64"].arch


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ALLOW),
        ([ALLOW, EPERM], EPERM),
        ([0x00050002, EPERM], EPERM),  # equally strict: the newest one's data
        ([EPERM, KILL, 0x00000000], KILL),
        ([0x00000000, EPERM], 0x00000000),
        ([0x00030000, EPERM], 0x00030000),
        ([0x7FC00000, 0x7FF00000, 0x7FFC0000], 0x7FC00000),
        ([0x7FF00000, 0x7FFC0000], 0x7FF00000),
        ([0x7FFC0000, ALLOW], 0x7FFC0000),
        ([None, ALLOW], None),
        ([None, EPERM], EPERM),
    ],
)
def test_the_strictest_answer_counts(values: list[int | None], expected: int | None) -> None:
    assert expected == strictest(values)


def test_a_call_passes_when_every_filter_lets_it() -> None:
    one, other = program({"bpf": EPERM}), program({"add_key": 0x00050002, "bpf:0=5": ALLOW})
    numbers = ABIS["x86_64"].range

    def say(call: str, args: tuple[int, ...] | None = None) -> Passes:
        return passes(answers((one, other), X86_64, numbers, call_numbers("x86_64")[call], args))

    assert say("bpf") is Passes.NEVER
    assert say("add_key") is Passes.NEVER
    assert say("read") is Passes.ALWAYS
    assert passes(answers((), X86_64, numbers, 0, None)) is Passes.ALWAYS


@pytest.mark.parametrize(
    ("values", "words", "errno"),
    [
        ({EPERM}, "errno EPERM", {"EPERM"}),
        ({EPERM, ALLOW}, "allow or errno EPERM, by arguments", {"EPERM"}),
        ({0x00050000}, "errno 0", {"ok"}),
        ({0x0005FFFF}, "errno 4095", {"E4095"}),
        ({KILL}, "kill process", set()),
        ({0x12340000}, "kill process (0x12340000)", set()),
        ({None}, "anything", set()),
    ],
)
def test_answers_in_words(values: set[int | None], words: str, errno: set[str]) -> None:
    assert words == describe(frozenset(values))
    assert errno == errnos(frozenset(values))
