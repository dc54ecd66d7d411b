"""What a stack of filters answers to one call: the kernel asks every filter, and the strictest answer counts
(seccomp(2)).

In: the answers that each program may give (bpf.survey).  Out: return values, and whether the call passes.  Pure.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import product

from pytest_isolation.walls.seccomp.bpf import Arguments, survey

ACTION, DATA = 0xFFFF0000, 0x0000FFFF
KILL_PROCESS, KILL_THREAD, TRAP, ERRNO = 0x80000000, 0x00000000, 0x00030000, 0x00050000
USER_NOTIF, TRACE, LOG, ALLOW = 0x7FC00000, 0x7FF00000, 0x7FFC0000, 0x7FFF0000
NAMES = {
    KILL_PROCESS: "kill process",
    KILL_THREAD: "kill thread",
    TRAP: "trap",
    ERRNO: "errno",
    USER_NOTIF: "ask a supervisor",
    TRACE: "ask a tracer",
    LOG: "allow, logged",
    ALLOW: "allow",
}
MAX_ERRNO = 4095
MAX_COMBINATIONS = 256  # combinations of the answers of several filters


class Passes(StrEnum):
    """Whether a call passes the filters; HANDED: a supervisor or a tracer decides."""

    ALWAYS = "always"
    SOMETIMES = "for some arguments"
    HANDED = "handed on"
    NEVER = "never"


Values = frozenset[int | None]


def answers(stack: Sequence[bytes], arch: int, numbers: range, number: int, args: Arguments) -> Values:
    """
    Return the kernel's possible answers to one call under these filters; None stands for any answer.

    Without a filter the answer is "allow".
    If two answers are equally strict, the data of the newest filter counts (kernel/seccomp.c, seccomp_run_filters).

    Args:
        stack: programs, the oldest first.
        arch: AUDIT_ARCH_… of the call.
        numbers: the range of call numbers to compute at once.
        number: the call, one of `numbers`.
        args: its arguments; None: any.
    """
    bit = 1 << numbers.index(number)
    each = [
        frozenset(value for value, some in survey(program, arch, numbers, args).items() if some & bit)
        for program in stack
    ]
    combined: set[int | None] = set()
    for count, values in enumerate(product(*each)):
        if count == MAX_COMBINATIONS:
            return frozenset({None})
        combined.add(strictest(values))
    return frozenset(combined)


def strictest(values: Iterable[int | None]) -> int | None:
    """Return the strictest value; an unknown value beside a refusal leaves a refusal."""
    found: int | None = ALLOW
    unknown = False
    for value in values:
        if value is None:
            unknown = True
        elif found is None or _rank(value) <= _rank(found):
            found = value
    return None if unknown and passes_one(found) is not Passes.NEVER else found


def _rank(value: int) -> int:
    """The kernel compares actions as signed numbers: the smallest is the strictest."""
    action = value & ACTION
    return action - (1 << 32) if action & 0x80000000 else action


def passes_one(value: int | None) -> Passes:
    """Return whether a call passes by one return value; the kernel kills for an unknown action."""
    if value is None:
        return Passes.SOMETIMES
    action = value & ACTION
    if action in (ALLOW, LOG):
        return Passes.ALWAYS
    return Passes.HANDED if action in (USER_NOTIF, TRACE) else Passes.NEVER


def passes(values: Values) -> Passes:
    """Return whether a call passes by all its possible answers."""
    found = {passes_one(value) for value in values}
    if len(found) == 1:
        return next(iter(found))
    return Passes.HANDED if found == {Passes.HANDED, Passes.NEVER} else Passes.SOMETIMES


def describe(values: Values) -> str:
    """Return the answers in words: "errno EPERM", "allow", "allow or errno EPERM, by arguments"."""
    words = sorted(_word(value) for value in values)
    return words[0] if len(words) == 1 else f"{' or '.join(words)}, by arguments"


def _word(value: int | None) -> str:
    if value is None:
        return "anything"
    action, data = value & ACTION, value & DATA
    if action != ERRNO:
        return NAMES.get(action, f"kill process ({action:#x})")
    number = min(data, MAX_ERRNO)
    return f"errno {errno.errorcode.get(number, str(number))}"


def errnos(values: Values) -> frozenset[str]:
    """Return what the caller sees of a refusal by errno: names, and "ok" for errno 0."""
    numbers = {min(value & DATA, MAX_ERRNO) for value in values if value is not None and value & ACTION == ERRNO}
    return frozenset("ok" if number == 0 else errno.errorcode.get(number, f"E{number}") for number in numbers)
