"""Interprets the classic BPF programs that the kernel accepts as seccomp filters.

In: a program's bytes (struct sock_filter, little endian), an audit architecture, a range of call numbers, and the
arguments: values, values with some known bits, or None for any.
Out: the return values, each with the call numbers that may get it.  Pure.
The interpreter never loops, because jumps only lead forward (filter.rst): one pass computes all numbers at once.

The call's number stays a symbol, and a set of numbers is one integer with a bit for each.
A comparison splits the set, so a filter of 600 instructions takes 600 steps, not 600 for each number.
An argument may be known in part: "CLONE_NEWUSER is set, the other bits may be anything".
A comparison that unknown bits decide goes both ways: the result may hold more values than the kernel could return,
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
NUMBER = -1  # a register that holds the call's number


class Bits(NamedTuple):
    """A value of which only the bits in `mask` are known; the other bits of `value` are 0."""

    value: int
    mask: int


ANY = Bits(0, 0)
Value = int | Bits
Arguments = tuple[Value, ...] | None
Answers = Mapping[int | None, int]  # return value (None: any) to the set of numbers that may get it


class _State(NamedTuple):
    a: Value
    x: Value
    memory: tuple[Value, ...]


@lru_cache(maxsize=2048)
def survey(program: bytes, arch: int, numbers: range, args: Arguments = None) -> Answers:
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

    def __init__(self, program: tuple[Instruction, ...], arch: int, numbers: range, args: Arguments) -> None:
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

    def _return(self, value: Value, some: int) -> None:
        for one, part in self._known(value, some):
            key = None if isinstance(one, Bits) else one
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
        value: Value
        if mode == ABS_W:
            value = self._load(k)
        elif mode == MEM:
            value = memory[k]
        else:
            value = DATA_BYTES if mode == LEN_W else k
        return state._replace(a=value) if code & 7 == LD else state._replace(x=value)

    def _load(self, offset: int) -> Value:
        """Read a word of struct seccomp_data; the low half of an argument comes first (little endian)."""
        if offset == 0:
            return NUMBER
        if offset == 4:
            return self.arch
        if offset < 16 or self.args is None:
            return ANY
        index = (offset - 16) // 8
        argument = self.args[index] if index < len(self.args) else 0
        half = 32 if offset % 8 else 0
        if isinstance(argument, Bits):
            return _word(argument.value >> half, argument.mask >> half)
        return argument >> half & WORD

    def _known(self, value: Value, some: int) -> Iterator[tuple[Value, int]]:
        """Yield the possible values of a register, each with its numbers; one with unknown bits stays one value."""
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
                if code & 0xF0 == DIV and code & BY_X and (isinstance(by, Bits) or by == 0):
                    self._return(0, piece)  # a division by 0 ends the program (filter.rst)
                    if by == 0:
                        continue
                self._go(at + 1, state._replace(a=_computed(code & 0xF0, a, by)), piece)

    def _jump(self, at: int, instruction: Instruction, state: _State, some: int) -> None:
        code, jump_true, jump_false, k = instruction
        if code == JMP | JA:
            self._go(at + 1 + k, state, some)
            return
        operation = code & 0xF0
        for by, part in self._known(state.x if code & BY_X else k, some):
            if state.a == NUMBER:
                yes = part if isinstance(by, Bits) else self._numbers_that(operation, by) & part
                no = part if isinstance(by, Bits) else part & ~yes
            else:
                may, may_not = _compared(operation, state.a, by)
                yes, no = part if may else 0, part if may_not else 0
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


def _word(value: int, mask: int) -> Value:
    """Return a word whose bits in `mask` are known: a number if these are all."""
    mask &= WORD
    return value & WORD if mask == WORD else Bits(value & mask, mask)


def _as_bits(value: Value) -> Bits:
    return value if isinstance(value, Bits) else Bits(value, WORD)


def _computed(operation: int, a: Value, by: Value) -> Value:
    if isinstance(a, Bits) or isinstance(by, Bits):
        return _computed_in_part(operation, _as_bits(a), _as_bits(by))
    if operation == NEG:
        return -a & WORD
    if operation in (LSH, RSH):
        by &= 31  # as every JIT does; a constant of 32 and more is refused
        return a << by & WORD if operation == LSH else a >> by
    simple = {ADD: a + by, SUB: a - by, MUL: a * by, OR: a | by, AND: a & by, XOR: a ^ by}
    return (simple[operation] if operation != DIV else a // by) & WORD


def _computed_in_part(operation: int, a: Bits, by: Bits) -> Value:
    """Return the bits of a result that are known though bits of an operand are not."""
    both = a.mask & by.mask
    if operation == AND:  # a known 0 on one side decides
        return _word(a.value & by.value, both | (a.mask & ~a.value) | (by.mask & ~by.value))
    if operation == OR:  # a known 1 on one side decides
        return _word(a.value | by.value, both | a.value | by.value)
    if operation == XOR:
        return _word(a.value ^ by.value, both)
    if operation == LSH and by.mask == WORD:
        by_bits = by.value & 31
        return _word(a.value << by_bits, a.mask << by_bits | ((1 << by_bits) - 1))
    if operation == RSH and by.mask == WORD:
        by_bits = by.value & 31
        return _word(a.value >> by_bits, a.mask >> by_bits | (WORD & ~(WORD >> by_bits)))
    return ANY


def _compared(operation: int, a: Value, by: Value) -> tuple[bool, bool]:
    """Return whether a comparison may be true, and whether it may be false."""
    a, by = _as_bits(a), _as_bits(by)
    most, by_most = a.value | WORD & ~a.mask, by.value | WORD & ~by.mask
    if operation == JEQ:
        return not (
            a.value ^ by.value
        ) & a.mask & by.mask, most != a.value or by_most != by.value or a.value != by.value
    if operation == JSET:
        return bool(most & by_most), not a.value & by.value
    if operation == JGT:
        return most > by.value, a.value <= by_most
    return most >= by.value, a.value < by_most
