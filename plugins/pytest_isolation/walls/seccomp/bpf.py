"""Interprets the classic BPF programs that the kernel accepts as seccomp filters.

In: a program's bytes (struct sock_filter, little endian), an audit architecture, a range of call numbers, and the
arguments or None for any.
Out: the return values, each with the call numbers that may get it.  Pure.
The interpreter never loops, because jumps only lead forward (filter.rst): one pass computes all numbers at once.

The call's number stays a symbol, and a set of numbers is one integer with a bit for each.
A comparison splits the set, so a filter of 600 instructions takes 600 steps, not 600 for each number.
A comparison with an unknown argument goes both ways: the result may hold more values than the kernel could return,
never fewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from provisioner.facts.programs import (
    ABS_W,
    ADD,
    ALU,
    AND,
    BY_X,
    DATA_BYTES,
    DIV,
    JA,
    JEQ,
    JGE,
    JGT,
    JMP,
    JSET,
    LD,
    LEN_W,
    LSH,
    MEM,
    MEMORY,
    MUL,
    NEG,
    OR,
    RET,
    RET_K,
    RSH,
    ST,
    STX,
    SUB,
    TAX,
    TXA,
    XOR,
    Instruction,
    parse_program,
)

MAX_STEPS = 100_000  # far more than any filter needs; a hostile one may have 2^n states
WORD = 0xFFFFFFFF
NUMBER, UNKNOWN = -1, -2  # a register that holds the call's number, or an unknown value

Answers = Mapping[int | None, int]  # return value (None: any) to the set of numbers that may get it


class _State(NamedTuple):
    a: int
    x: int
    memory: tuple[int, ...]


@lru_cache(maxsize=512)
def survey(program: bytes, arch: int, numbers: range, args: tuple[int, ...] | None = None) -> Answers:
    """
    Return the program's possible answers to each of these numbers.

    Args:
        program: struct sock_filter after struct sock_filter.
        arch: AUDIT_ARCH_… of the call.
        numbers: consecutive call numbers.
        args: the call's arguments, missing ones 0; None: any.

    Returns:
        Each return value with the set of numbers that may get it: bit i stands for numbers[i]; the value None stands
            for any value.

    Raises:
        ProgramError: the bytes are no program.

    Example:
        survey(program, 0xC000003E, range(0, 512))
    """
    return MappingProxyType(_Walk(parse_program(program), arch, numbers, args).run())


class _Walk:
    """One pass: for each instruction the states that may reach it, each with its numbers."""

    def __init__(
        self, program: tuple[Instruction, ...], arch: int, numbers: range, args: tuple[int, ...] | None
    ) -> None:
        self.program, self.arch, self.numbers, self.args = program, arch, numbers, args
        self.full = (1 << len(numbers)) - 1
        self.waiting: list[dict[_State, int]] = [{} for _ in program]
        self.found: dict[int | None, int] = {}

    def run(self) -> dict[int | None, int]:
        """Walk through the program; return each value with the numbers that may get it."""
        self.waiting[0][_State(0, 0, (0,) * MEMORY)] = self.full
        steps = 0
        for at, instruction in enumerate(self.program):
            states, self.waiting[at] = self.waiting[at], {}
            steps += len(states)
            if steps > MAX_STEPS:
                return {None: self.full}
            for state, some in states.items():
                self._step(at, instruction, state, some)
        return self.found

    def _step(self, at: int, instruction: Instruction, state: _State, some: int) -> None:
        code, _, _, k = instruction
        kind = code & 7
        if kind == JMP:
            self._jump(at, instruction, state, some)
        elif kind == RET:
            self._return(k if code == RET_K else state.a, some)
        elif kind == ALU:
            self._compute(at, instruction, state, some)
        else:
            self._go(at + 1, self._moved(code, k, state), some)

    def _go(self, at: int, state: _State, some: int) -> None:
        if some:
            here = self.waiting[at]
            here[state] = here.get(state, 0) | some

    def _return(self, value: int, some: int) -> None:
        for one, part in self._known(value, some):
            key = None if one == UNKNOWN else one
            self.found[key] = self.found.get(key, 0) | part

    def _moved(self, code: int, k: int, state: _State) -> _State:
        """Execute a load, a store or a copy between the registers."""
        a, x, memory = state
        if code == TAX:
            return state._replace(x=a)
        if code == TXA:
            return state._replace(a=x)
        if code in (ST, STX):
            return state._replace(memory=(*memory[:k], a if code == ST else x, *memory[k + 1 :]))
        mode = code & 0xE0
        if mode == ABS_W:
            value = self._load(k)
        elif mode == MEM:
            value = memory[k]
        else:
            value = DATA_BYTES if mode == LEN_W else k
        return state._replace(a=value) if code & 7 == LD else state._replace(x=value)

    def _load(self, offset: int) -> int:
        """Read a word of struct seccomp_data; the low half of an argument comes first (little endian)."""
        if offset == 0:
            return NUMBER
        if offset == 4:
            return self.arch
        if offset < 16 or self.args is None:
            return UNKNOWN
        index = (offset - 16) // 8
        argument = self.args[index] if index < len(self.args) else 0
        return argument >> (32 if offset % 8 else 0) & WORD

    def _known(self, value: int, some: int) -> Iterator[tuple[int, int]]:
        """Yield the possible values of a register, each with its numbers; UNKNOWN stays one value."""
        if value != NUMBER:
            yield value, some
            return
        while some:
            lowest = some & -some
            yield self.numbers[lowest.bit_length() - 1], lowest
            some ^= lowest

    def _compute(self, at: int, instruction: Instruction, state: _State, some: int) -> None:
        code, _, _, k = instruction
        for a, part in self._known(state.a, some):
            for by, piece in self._known(state.x if code & BY_X else k, part):
                if code & 0xF0 == DIV and code & BY_X and by in (0, UNKNOWN):
                    self._return(0, piece)  # a division by 0 ends the program (filter.rst)
                    if by == 0:
                        continue
                value = UNKNOWN if UNKNOWN in (a, by) and code != ALU | NEG else _computed(code & 0xF0, a, by)
                self._go(at + 1, state._replace(a=value), piece)

    def _jump(self, at: int, instruction: Instruction, state: _State, some: int) -> None:
        code, jump_true, jump_false, k = instruction
        if code == JMP | JA:
            self._go(at + 1 + k, state, some)
            return
        operation = code & 0xF0
        for by, part in self._known(state.x if code & BY_X else k, some):
            if UNKNOWN in (state.a, by):
                yes, no = part, part
            elif state.a == NUMBER:
                yes = self._numbers_that(operation, by) & part
                no = part & ~yes
            else:
                holds = _compared(operation, state.a, by)
                yes, no = (part, 0) if holds else (0, part)
            self._go(at + 1 + jump_true, state, yes)
            self._go(at + 1 + jump_false, state, no)

    def _numbers_that(self, operation: int, k: int) -> int:
        """Return the set of numbers for which the comparison with `k` is true."""
        first, count = self.numbers.start, len(self.numbers)
        if operation == JEQ:
            return 1 << (k - first) if 0 <= k - first < count else 0
        if operation in (JGT, JGE):
            below = min(max(k - first + (operation == JGT), 0), count)
            return self.full >> below << below
        return sum(1 << i for i, number in enumerate(self.numbers) if number & k)


def _computed(operation: int, a: int, by: int) -> int:
    if operation == NEG:
        return UNKNOWN if a == UNKNOWN else -a & WORD
    if operation in (LSH, RSH):
        by &= 31  # as every JIT does; a constant of 32 and more is refused
        return a << by & WORD if operation == LSH else a >> by
    simple = {ADD: a + by, SUB: a - by, MUL: a * by, OR: a | by, AND: a & by, XOR: a ^ by}
    return (simple[operation] if operation != DIV else a // by) & WORD


def _compared(operation: int, a: int, by: int) -> bool:
    return {JEQ: a == by, JGT: a > by, JGE: a >= by, JSET: bool(a & by)}[operation]
