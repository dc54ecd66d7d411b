"""What a stack of filters says of one call: every filter is asked, and the strictest answer counts (seccomp(2)).

In: what each program may answer (bpf.survey).  Out: return values, and whether the call passes.  Pure.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import product

from pytest_isolation.walls.seccomp.bpf import survey

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
MOST = 256  # combinations of what several filters may answer


class Passes(StrEnum):
    """Whether a call gets past the filters: HANDED is for a supervisor or a tracer to decide."""

    ALWAYS = "always"
    SOMETIMES = "for some arguments"
    HANDED = "handed on"
    NEVER = "never"


Values = frozenset[int | None]


def answers(stack: Sequence[bytes], arch: int, numbers: range, number: int, args: tuple[int, ...] | None) -> Values:
    """
    Return what the kernel may answer to one call under these filters, the oldest first; None stands for anything.

    No filter at all allows.  Of two that are equally strict the newest one's data counts (kernel/seccomp.c,
    seccomp_run_filters; seen with two that refuse by different errnos).
    """
    bit = 1 << numbers.index(number)
    each = [
        frozenset(value for value, some in survey(program, arch, numbers, args).items() if some & bit)
        for program in stack
    ]
    combined: set[int | None] = set()
    for count, values in enumerate(product(*each)):
        if count == MOST:
            return frozenset({None})
        combined.add(strictest(values))
    return frozenset(combined)


def strictest(values: Iterable[int | None]) -> int | None:
    """Return the value that counts; one that may be anything leaves a refusal beside it a refusal."""
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
    """Say it of one return value; an action that the kernel does not know kills."""
    if value is None:
        return Passes.SOMETIMES
    action = value & ACTION
    if action in (ALLOW, LOG):
        return Passes.ALWAYS
    return Passes.HANDED if action in (USER_NOTIF, TRACE) else Passes.NEVER


def passes(values: Values) -> Passes:
    """Say it of all that may be answered."""
    found = {passes_one(value) for value in values}
    return next(iter(found)) if len(found) == 1 else Passes.SOMETIMES


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
    """Return the results that a refusal by errno looks like to the caller: the errno's name, "ok" for 0."""
    numbers = {min(value & DATA, MAX_ERRNO) for value in values if value is not None and value & ACTION == ERRNO}
    return frozenset("ok" if number == 0 else errno.errorcode.get(number, f"E{number}") for number in numbers)
