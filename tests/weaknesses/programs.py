"""Seccomp programs for sound records and weaknesses, assembled from rules.

In: answers to calls, by ABI.  Out: the bytes of a program, and the `filters` part of a process's facts.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_isolation.walls.seccomp.syscalls import ABIS, X32_BIT, call_numbers

EPERM, ENOSYS = 0x00050001, 0x00050026
KILL, ALLOW, NOTIFY, LOG = 0x80000000, 0x7FFF0000, 0x7FC00000, 0x7FFC0000
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALL = ("x86_64", "i386", "x32")
Rules = Mapping[str, int]  # a call's name, "name:0=value", "name:0&flag" or several by commas, to its return value

Code = tuple[int, int, int, int]


def assemble(codes: Iterable[Code]) -> bytes:
    """Return struct sock_filter after struct sock_filter, little endian."""
    return b"".join(struct.pack("<HBBI", *code) for code in codes)


def program(rules: Rules, abis: Iterable[str] = ALL, default: int = ALLOW, foreign: int = KILL) -> bytes:
    """
    Return a program as libseccomp makes it: it compares the architecture first, then one number after the other.

    Args:
        rules: answers to these calls.
        abis: the ABIs of the rules.
        default: answer to all other calls.
        foreign: answer to calls by other ABIs.
    """
    abis = list(abis)
    codes: list[Code] = []
    for arch in dict.fromkeys(ABIS[abi].arch for abi in abis):
        names = [abi for abi in abis if ABIS[abi].arch == arch]
        body = [(LOAD, 0, 0, 0), *(code for abi in names for code in _rules(rules, abi))]
        if arch == ABIS["x32"].arch and "x32" not in names:
            body += [(0x35, 0, 1, X32_BIT), (RETURN, 0, 0, foreign)]
        body.append((RETURN, 0, 0, default))
        codes += [(LOAD, 0, 0, 4), (EQUAL, 1, 0, arch), (0x05, 0, 0, len(body)), *body]
    return assemble([*codes, (RETURN, 0, 0, foreign)])


def _rules(rules: Rules, abi: str) -> Iterable[Code]:
    numbers = call_numbers(abi)
    for rule, value in rules.items():
        name, _, argument = rule.partition(":")
        if name not in numbers:
            continue
        if not argument:
            yield from ((EQUAL, 0, 1, numbers[name]), (RETURN, 0, 0, value))
            continue
        compares = [(ANY_BIT if "&" in one else EQUAL, *_numbers(one)) for one in argument.split(",")]
        end = 2 * len(compares) + 2
        yield (EQUAL, 0, end, numbers[name])
        for at, (compare, index, wanted) in enumerate(compares):
            yield from ((LOAD, 0, 0, 16 + 8 * index), (compare, 0, end - 2 * at - 3, wanted))
        yield from ((RETURN, 0, 0, value), (LOAD, 0, 0, 0))


def _numbers(argument: str) -> Iterable[int]:
    return (int(part, 0) for part in argument.replace("&", "=").split("="))


def installed(*stack: bytes, pid: int = 4242) -> dict[str, Any]:
    """Return the filters of a process with one task, the oldest first."""
    return tasks({pid: stack})


def tasks(stacks: Mapping[int, Iterable[bytes]]) -> dict[str, Any]:
    """Return the filters of several tasks."""
    programs = list(dict.fromkeys(one for stack in stacks.values() for one in stack))
    return {
        "tasks": [{"pid": p, "tid": p, "stack": [programs.index(one) for one in s]} for p, s in stacks.items()],
        "programs": [base64.b64encode(one).decode() for one in programs],
        "stopped_us": 100,
    }
