"""Which calls pass the filter: the installed program decides, and the tries are its control.

In: the process seen from outside, the tries inside and on the host.  Out: words for a verdict.  Pure.

The program decides if it was observed: it answers for every call, argument, task and ABI.
Otherwise the tries decide, unless this host can read programs and only ran out of time: the tries are few, and a deny
list of exactly these refuses them all.
If they differ, the one that says that a call passes counts.
So neither an error of the interpreter nor a sandbox that forges its answers hides a weakness:

- The program allows the call and the try was refused: a capability, a sysctl or an LSM refused it, and the wall of the
  filter is missing.
- The program refuses the call and the call's own code answered: it counts, unless that answer is the program's errno.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from provisioner.errors import UnobservedFact
from provisioner.facts.process import Process
from provisioner.facts.status import Seccomp
from provisioner.facts.system import System
from provisioner.observed import Unobserved
from pytest_isolation.walls.seccomp.actions import Passes
from pytest_isolation.walls.seccomp.program import Installed, in_words, read_installed
from pytest_isolation.walls.seccomp.reasons import Question, questions
from pytest_isolation.walls.seccomp.syscalls import call_numbers
from pytest_isolation.walls.seccomp.tries import (
    CALLS,
    FOREIGN_ABI_ROWS,
    PRESENT,
    PROVE_FILTER,
    PROVE_LACK,
    read_refusals,
)

ABSENT = "ENOSYS"
OUT_OF_TIME = ("ETIMEDOUT", "EAGAIN")  # probe/process/filters.c
OWN_ANSWERS = PROVE_FILTER | PROVE_LACK


@dataclass(frozen=True)
class Passed:
    """
    The dangerous calls that pass.

    Attributes:
        calls: words for each that the default filter refuses, by call.
        documented: the others, which the default filter lets through.
        absent: whether no filter is installed.
        bare: of several processes, those without a filter, by their pids on the host.
        by_default: whether the installed filter allows every call that it does not name.
        decided: whether anything could show that a call passes.
    """

    calls: tuple[str, ...]
    documented: tuple[Question, ...] = ()
    absent: bool = False
    bare: tuple[int, ...] = ()
    by_default: bool = False
    decided: bool = True


def dangerous_calls(process: Process, inside: System, host: System, documented: Callable[[str, str], bool]) -> Passed:
    """
    Return the dangerous calls that pass.

    Args:
        process: the subject, seen from outside if possible.
        inside, host: what a process of the sandbox and one of the host see.
        documented: whether the runtime's default filter lets a call through, by its name and its label.

    Raises:
        UnobservedFact: no try passed, and the host ran out of time when it read the installed filters.
    """
    tried = read_refusals(inside, host)
    installed = read_installed(process, host.kernel.machine)
    reached = [(CALLS[row], inside.tries[row].result) for row in tried.reached]
    if installed is None:
        mode = process.raw("seccomp")
        beyond_default, by_default = _split({call for call, _ in reached}, documented)
        why = process.raw("filters")
        if not beyond_default and isinstance(why, Unobserved) and why.unobserved in OUT_OF_TIME:
            raise UnobservedFact("process.filters", why.unobserved, why.why)
        return Passed(
            tuple(beyond_default),
            documented=tuple(by_default),
            absent=isinstance(mode, Seccomp) and mode.mode == 0,
            decided=bool(tried.refused or reached),
        )
    there = {question: how for question, how in installed.let_through.items() if _is_there(question.call, host)}
    beyond = {question: how for question, how in there.items() if not documented(question.call, question.label)}
    words = in_words(beyond)
    named = {question.call for question in installed.let_through}
    own = installed.abis[0]
    for call, answer in reached:
        if call not in named and not is_refusal(installed, own, call, answer):
            words[call] = f"{call} (though the installed filter refuses it)"
    return Passed(
        tuple(words[call] for call in sorted(words)),
        documented=tuple(question for question in there if question not in beyond),
        absent=installed.is_absent,
        bare=installed.bare,
        by_default=installed.allows_by_default,
    )


def _split(calls: Iterable[str], documented: Callable[[str, str], bool]) -> tuple[list[str], list[Question]]:
    """Return the calls that the default filter refuses, if only for some arguments, and questions about the others."""
    beyond: list[str] = []
    default: list[Question] = []
    for call in sorted(calls):
        asked = [one for one in questions() if one.call == call and one.upper_of is None]
        if asked and all(documented(one.call, one.label) for one in asked):
            default += asked
        else:
            beyond.append(call)
    return beyond, default


def _is_there(call: str, host: System) -> bool:
    """Whether the host's kernel has the call; a call that was not tried counts as present."""
    return call not in PRESENT or host.tries[PRESENT[call]].result != ABSENT


def is_refusal(installed: Installed, abi: str, call: str, answer: str) -> bool:
    """
    Whether the answer of a call's own code may be the installed filter's errno (errno 0 reads "ok").

    Args:
        installed: the filters.
        abi: name of the ABI.
        call: name of the call.
        answer: an errno's name or "ok".
    """
    number = call_numbers(abi).get(call)
    if number is None:
        return False
    asked = [one.args for one in questions() if one.call == call and one.upper_of is None] or [None]
    refused = all(installed.passes(abi, number, args) is Passes.NEVER for args in asked)
    return refused and any(answer in installed.errnos(abi, number, args) for args in asked)


def abis_of(host: System) -> list[str]:
    """Return the other ABIs that the host's kernel has, by the tries of the host's own probe."""
    control = {f"{entry}.personality" for entry in FOREIGN_ABI_ROWS}
    return [row.partition(".")[0] for row in sorted(control) if host.tries[row].result == "ok"]


def foreign_calls(process: Process, inside: System, host: System, entries: Iterable[str]) -> list[str]:
    """
    Return the dangerous calls that the machine's own ABI refuses and another ABI allows, as "i386's bpf".

    Args:
        process: the subject, seen from outside if possible.
        inside, host: what a process of the sandbox and one of the host see.
        entries: names of the other ABIs.
    """
    entries = list(entries)
    found = [f"{entry}'s {call}" for entry in entries for call in _tried_by(entry, inside)]
    installed = read_installed(process, host.kernel.machine)
    if installed is None:
        return found
    found = [
        f"{entry}'s {call}"
        for entry in entries
        for call in _tried_by(entry, inside)
        if not is_refusal(installed, entry, call, inside.tries[f"{entry}.{call}"].result)
    ]
    for entry in entries:
        found += [f"{entry}'s {call}" for call in _opened_by(installed, entry)]
    return list(dict.fromkeys(found))


def _tried_by(entry: str, inside: System) -> list[str]:
    """Return the calls that were refused by the machine's own number and answered by the other ABI's."""
    return [
        CALLS[own]
        for row, own in FOREIGN_ABI_ROWS[entry].items()
        if inside.tries[row].result in OWN_ANSWERS[own] and inside.tries[own].result not in OWN_ANSWERS[own]
    ]


def _opened_by(installed: Installed, entry: str) -> list[str]:
    own = call_numbers(installed.abis[0])
    found = {one: how for one, how in installed.let_through_by(entry).items() if _is_refused(one, installed, own)}
    return list(in_words(found).values())


def _is_refused(question: Question, installed: Installed, numbers: Mapping[str, int]) -> bool:
    """Whether the machine's own ABI refuses the call; `numbers` are its numbers."""
    if question.call not in numbers:
        return False
    return installed.passes(installed.abis[0], numbers[question.call], question.args) is Passes.NEVER
