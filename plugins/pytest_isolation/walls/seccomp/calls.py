"""Which calls pass the filter: the installed program decides, and the tries are its control.

In: the process seen from outside, the tries inside and on the host.  Out: words for a verdict.  Pure.

The program decides if it was observed: it answers for every call, argument, task and ABI.
Otherwise the tries decide.
If they differ, the one that says that a call passes counts.
So neither an error of the interpreter nor a sandbox that forges its answers hides a weakness:

- The program allows the call and the try was refused: a capability, a sysctl or an LSM refused it, and the wall of the
  filter is missing.
- The program refuses the call and the call's own code answered: it counts, unless that answer is the program's errno.
"""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.facts.process import Process
from provisioner.facts.system import System
from pytest_isolation.walls.seccomp.actions import Passes
from pytest_isolation.walls.seccomp.program import DANGEROUS, Arguments, Installed, read_installed
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
OWN_ANSWERS = PROVE_FILTER | PROVE_LACK


def dangerous_calls(process: Process, inside: System, host: System) -> tuple[list[str], bool]:
    """
    Return the dangerous calls that pass, and whether anything could show that one passes.

    Args:
        process: the subject, seen from outside if possible.
        inside, host: what a process of the sandbox and one of the host see.
    """
    tried = read_refusals(inside, host)
    installed = read_installed(process, host.kernel.machine)
    reached = [(CALLS[row], inside.tries[row].result) for row in tried.reached]
    if installed is None:
        return sorted({call for call, _ in reached}), bool(tried.refused or reached)
    found = {call: how for call, how in installed.let_through.items() if _is_there(call, host)}
    words = {call: call if how is Passes.ALWAYS else f"{call} ({how})" for call, how in found.items()}
    own = installed.abis[0]
    for call, answer in reached:
        if call not in words and not is_refusal(installed, own, call, answer):
            words[call] = f"{call} (though the installed filter refuses it)"
    return [words[call] for call in sorted(words)], True


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
    args: Arguments = DANGEROUS.get(call)
    refused = installed.passes(abi, number, args) is Passes.NEVER
    return refused and answer in installed.errnos(abi, number, args)


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
    return [
        call
        for call in installed.let_through_by(entry)
        if call in own and installed.passes(installed.abis[0], own[call], DANGEROUS[call]) is Passes.NEVER
    ]
