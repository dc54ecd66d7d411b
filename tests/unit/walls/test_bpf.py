"""The interpreter of seccomp programs: accepted programs, their answers, and that no bytes loop or crash it."""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "weaknesses"))
from programs import ALLOW, EPERM, KILL, assemble, program

from provisioner.facts.programs import MAX_INSTRUCTIONS, ProgramError, parse_program
from pytest_isolation.walls.seccomp.bpf import Arguments, survey
from pytest_isolation.walls.seccomp.syscalls import ABIS, BY_MACHINE, call_numbers

X86_64 = ABIS["x86_64"].arch
RET_A = 0x16
FEW = range(0, 8)
Code = tuple[int, int, int, int]


def ask(codes: Iterable[Code], number: int = 3, args: Arguments = (), arch: int = X86_64) -> set[int | None]:
    """Return what a program may answer to one number."""
    found = survey(assemble(codes), arch, range(number, number + 1), args)
    return set(found)


def load(offset: int) -> Code:
    return (0x20, 0, 0, offset)


def ret(value: int) -> Code:
    return (0x06, 0, 0, value)


@pytest.mark.parametrize(
    ("code", "k", "expected"),
    [
        (0x04, 5, 8),  # add
        (0x14, 5, 0xFFFFFFFE),  # sub
        (0x24, 5, 15),  # mul
        (0x34, 2, 1),  # div
        (0x44, 4, 7),  # or
        (0x54, 2, 2),  # and
        (0x64, 31, 0x80000000),  # lsh
        (0x74, 1, 1),  # rsh
        (0x84, 0, 0xFFFFFFFD),  # neg
        (0xA4, 1, 2),  # xor
    ],
)
def test_arithmetic_has_32_bits(code: int, k: int, expected: int) -> None:
    assert {expected} == ask([load(0), (code, 0, 0, k), (RET_A, 0, 0, 0)])


def test_registers_and_memory() -> None:
    codes = [load(0), (0x02, 0, 0, 7), (0x07, 0, 0, 0), (0x00, 0, 0, 4), (0x0C, 0, 0, 0), (0x03, 0, 0, 2)]
    codes += [(0x61, 0, 0, 7), (0x87, 0, 0, 0), (0x02, 0, 0, 1), (0x60, 0, 0, 1), (RET_A, 0, 0, 0)]

    assert {3} == ask(codes)


def test_the_length_is_the_size_of_seccomp_data() -> None:
    assert {64} == ask([(0x80, 0, 0, 0), (RET_A, 0, 0, 0)])
    assert {64} == ask([(0x81, 0, 0, 0), (0x87, 0, 0, 0), (RET_A, 0, 0, 0)])


def test_a_division_by_zero_ends_the_program() -> None:
    assert {0} == ask([load(0), (0x01, 0, 0, 0), (0x3C, 0, 0, 0), ret(ALLOW)])


@pytest.mark.parametrize(
    ("code", "k", "true"),
    [
        (21, 3, True),
        (21, 4, False),
        (37, 2, True),
        (37, 3, False),
        (53, 3, True),
        (53, 4, False),
        (69, 2, True),
        (69, 4, False),
    ],
)
def test_comparisons_of_the_number_and_of_a_constant_agree(code: int, k: int, true: bool) -> None:
    ends = [ret(1), ret(2)]

    assert {1 if true else 2} == ask([load(0), (code, 0, 1, k), *ends])
    assert {1 if true else 2} == ask([(0x00, 0, 0, 3), (code, 0, 1, k), *ends])
    assert {1 if true else 2} == ask([load(0), (0x01, 0, 0, k), (code | 8, 0, 1, 0), *ends])


def test_arguments_are_two_words_each_the_low_one_first() -> None:
    low, high = [load(16 + 8), (RET_A, 0, 0, 0)], [load(20 + 8), (RET_A, 0, 0, 0)]

    assert {0x9ABCDEF0} == ask(low, args=(1, 0x123456789ABCDEF0))
    assert {0x12345678} == ask(high, args=(1, 0x123456789ABCDEF0))
    assert {0} == ask(low, args=(1,))
    assert {None} == ask(low, args=None)
    assert {None} == ask([load(8), (RET_A, 0, 0, 0)])


def test_an_unknown_argument_goes_both_ways() -> None:
    codes = [load(16), (0x15, 0, 1, 40), ret(EPERM), ret(ALLOW)]

    assert {EPERM, ALLOW} == ask(codes, args=None)
    assert {EPERM} == ask(codes, args=(40,))
    assert {ALLOW} == ask(codes, args=(2,))


def test_each_number_gets_its_own_answer_in_one_walk() -> None:
    codes = [load(0), (0x15, 0, 1, 2), ret(EPERM), (0x25, 0, 1, 5), ret(KILL), ret(ALLOW)]

    assert survey(assemble(codes), X86_64, FEW) == {EPERM: 0b100, KILL: 0b11000000, ALLOW: 0b00111011}


def test_a_computed_number_is_split_into_values() -> None:
    found = survey(assemble([load(0), (0x54, 0, 0, 1), (0x15, 0, 1, 1), ret(EPERM), ret(ALLOW)]), X86_64, FEW)

    assert found == {EPERM: 0b10101010, ALLOW: 0b01010101}


@pytest.mark.parametrize(
    "codes",
    [
        [],
        [load(0)],
        [ret(0), load(0)],
        [(0x28, 0, 0, 0), ret(0)],  # a half word
        [(0x30, 0, 0, 0), ret(0)],  # a byte
        [(0x40, 0, 0, 0), ret(0)],  # indirect
        [load(2), ret(0)],
        [load(64), ret(0)],
        [(0x94, 0, 0, 1), ret(0)],  # mod, which seccomp refuses
        [(0x34, 0, 0, 0), ret(0)],
        [(0x64, 0, 0, 32), ret(0)],
        [(0x60, 0, 0, 16), ret(0)],
        [(0x15, 1, 0, 0), ret(0)],
        [(0x15, 0, 255, 0), ret(0)],
        [(0x05, 0, 0, 0xFFFFFFFF), ret(0)],
        [(0x0E, 0, 0, 0), ret(0)],
        [ret(0)] * (MAX_INSTRUCTIONS + 1),
    ],
)
def test_a_program_that_the_kernel_refuses_raises(codes: list[Code]) -> None:
    with pytest.raises(ProgramError):
        parse_program(assemble(codes))


def test_half_an_instruction_raises() -> None:
    with pytest.raises(ProgramError):
        parse_program(assemble([ret(0)])[:-1])


def test_an_instruction_has_eight_bytes() -> None:
    assert parse_program(struct.pack("<HBBI", 6, 0, 0, ALLOW))[0].k == ALLOW


def test_a_program_of_too_many_states_may_answer_anything() -> None:
    doubling = [code for bit in range(40) for code in (load(16), (0x15, 0, 1, bit), (0x00, 0, 0, 1), (0x04, 0, 0, 1))]
    grow: list[Code] = []
    for bit in range(30):
        grow += [load(16), (0x15, 0, 3, bit), (0x60, 0, 0, 0), (0x04, 0, 0, 1 << bit), (0x02, 0, 0, 0)]
    started = time.perf_counter()

    assert {None} == ask([*doubling, *grow, (0x60, 0, 0, 0), (RET_A, 0, 0, 0)], args=None)
    assert time.perf_counter() - started < 30


CODES = st.one_of(
    st.tuples(st.integers(0, 0xFFFF), st.integers(0, 255), st.integers(0, 255), st.integers(0, 0xFFFFFFFF)),
    st.tuples(
        st.sampled_from(
            [0x20, 0x00, 0x60, 0x02, 0x07, 0x87, 0x04, 0x0C, 0x54, 0x84, 0x15, 0x1D, 0x25, 0x45, 0x05, 0x06]
        ),
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from([0, 1, 2, 4, 8, 15, 16, 20, 24, ALLOW, EPERM, 0xFFFFFFFF]),
    ),
)


@given(st.binary(max_size=400), st.sampled_from([None, (), (1, 2)]))
def test_random_bytes_never_crash_the_interpreter(data: bytes, args: tuple[int, ...] | None) -> None:
    try:
        found = survey(data, X86_64, FEW, args)
    except ProgramError:
        return
    assert found


@given(st.lists(CODES, max_size=40), st.sampled_from([None, (), (1, 1 << 33)]))
def test_every_number_gets_an_answer_and_exactly_one_with_known_arguments(
    codes: list[Code], args: tuple[int, ...] | None
) -> None:
    try:
        found = survey(assemble([*codes, ret(ALLOW)]), X86_64, FEW, args)
    except ProgramError:
        return
    for bit in range(len(FEW)):
        values = [value for value, some in found.items() if some >> bit & 1]
        assert values
        if args is not None and not any(code == 0x20 and k in (8, 12) for code, _, _, k in codes):
            assert len(values) == 1


@given(st.lists(CODES, max_size=30), st.integers(0, 7), st.integers(0, 3))
def test_unknown_arguments_include_the_answers_of_known_ones(codes: list[Code], number: int, arg: int) -> None:
    program_ = assemble([*codes, ret(ALLOW)])
    try:
        known = survey(program_, X86_64, range(number, number + 1), (arg, arg))
        unknown = survey(program_, X86_64, range(number, number + 1), None)
    except ProgramError:
        return

    assert None in unknown or set(known) <= set(unknown)


def test_all_numbers_of_three_abis_are_computed_in_one_walk() -> None:
    names = list(call_numbers("x86_64"))
    big = program(dict.fromkeys(names[:300], ALLOW), default=EPERM)
    started = time.perf_counter()
    for abi in BY_MACHINE["x86_64"]:
        survey(big, ABIS[abi].arch, ABIS[abi].range)
    assert time.perf_counter() - started < 20  # some 20 ms where nothing else runs
