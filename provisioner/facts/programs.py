"""The classic BPF programs that the kernel accepts as seccomp filters.

In: a program's bytes (struct sock_filter, little endian).  Out: `Instruction`s, or a `ProgramError`.
It follows kernel/seccomp.c (seccomp_check_filter) and net/core/filter.c (bpf_check_classic).
pytest_isolation.walls.seccomp interprets the programs.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS
DATA_BYTES = 64  # struct seccomp_data: nr, arch, instruction_pointer, args[6]
MEMORY = 16  # BPF_MEMWORDS

# classes and modes (linux/bpf_common.h)
LD, LDX, ST, STX, ALU, JMP, RET, MISC = range(8)
ABS_W, LEN_W, IMM, MEM = 0x20, 0x80, 0x00, 0x60
JA, JEQ, JGT, JGE, JSET = 0x00, 0x10, 0x20, 0x30, 0x40
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, XOR = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0xA0
BY_X = 0x08

_ALU_CODES = {ALU | op | by for op in (ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, XOR) for by in (0, BY_X)} | {ALU | NEG}
_JUMP_CODES = {JMP | op | by for op in (JEQ, JGT, JGE, JSET) for by in (0, BY_X)}
TAX, TXA = MISC, MISC | 0x80
RET_K, RET_A = RET, RET | 0x10
_CODES = (
    {LD | ABS_W, LD | LEN_W, LD | IMM, LD | MEM, LDX | LEN_W, LDX | IMM, LDX | MEM, ST, STX, JMP | JA}
    | _ALU_CODES
    | _JUMP_CODES
    | {TAX, TXA, RET_K, RET_A}
)


class ProgramError(ValueError):
    """The bytes are no program that the kernel accepts as a filter."""


class Instruction(NamedTuple):
    """One struct sock_filter (linux/filter.h)."""

    code: int
    jump_true: int
    jump_false: int
    k: int


@lru_cache(maxsize=256)
def parse_program(data: bytes) -> tuple[Instruction, ...]:
    """
    Turn bytes into instructions, with the checks that the kernel makes when it installs a filter.

    Raises:
        ProgramError: no kernel installs such a program.
    """
    if not data or len(data) % 8 or len(data) > 8 * MAX_INSTRUCTIONS:
        raise ProgramError(f"{len(data)} bytes are no program")
    found = tuple(Instruction(*parts) for parts in struct.iter_unpack("<HBBI", data))
    for at, instruction in enumerate(found):
        _check(instruction, at, len(found))
    return found


def _check(instruction: Instruction, at: int, count: int) -> None:
    code, _, _, k = instruction
    fault = ""
    if code not in _CODES:
        fault = f"has the code {code:#x}"
    elif code == LD | ABS_W and (k >= DATA_BYTES or k % 4):
        fault = f"reads at {k}"
    elif code in (LD | MEM, LDX | MEM, ST, STX) and k >= MEMORY:
        fault = f"uses memory {k}"
    elif (code == ALU | DIV and k == 0) or (code in (ALU | LSH, ALU | RSH) and k >= 32):
        fault = f"computes with {k}"
    elif at + 1 + _reach(instruction) >= count:
        fault = "jumps out of the program"
    if fault:
        raise ProgramError(f"instruction {at} {fault}")


def _reach(instruction: Instruction) -> int:
    """Return how many instructions a jump skips at most; -1 for a return."""
    code, jump_true, jump_false, k = instruction
    if code & 7 == RET:
        return -1
    if code & 7 != JMP:
        return 0
    return k if code == JMP | JA else max(jump_true, jump_false)
