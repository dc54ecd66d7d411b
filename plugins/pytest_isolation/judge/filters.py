"""Shows an installed seccomp filter: in a few lines for a cell's evidence, and call by call for `isolation filter`.

In: a `Record`.
Out: lines of text.  What was not observed is shown as such.
"""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.errors import UnobservedFact
from provisioner.facts.document import Facts
from provisioner.facts.filters import Filters
from provisioner.facts.process import Process
from provisioner.observed import Unobserved
from pytest_isolation.policy.documented_filter import refusals_of
from pytest_isolation.records.record import Record
from pytest_isolation.walls.seccomp.actions import Passes, describe
from pytest_isolation.walls.seccomp.program import Installed, in_words, read_installed
from pytest_isolation.walls.seccomp.reasons import questions
from pytest_isolation.walls.seccomp.syscalls import ABIS, call_names, call_numbers, calls_newer_than, version

BEYOND = "documented as refused"


def process_of(record: Record) -> tuple[Process, str] | None:
    """Return the process with the filter that counts, the subject or the hypervisor's, and a word for which it is."""
    for facts, whose in ((record.raw("outside"), "the sandbox's"), (record.raw("vmm"), "the hypervisor's")):
        if isinstance(facts, Facts):
            return facts.process, whose
    return None


def machine_of(record: Record) -> str:
    """Return the host's machine as uname(2) names it, "" if it was not observed."""
    host = record.raw("host")
    return host.system.kernel.machine if isinstance(host, Facts) and host.system is not None else ""


def _release_of(record: Record) -> str:
    """Return the release of the host's kernel, "" if it was not observed."""
    host = record.raw("host")
    return host.system.kernel.release if isinstance(host, Facts) and host.system is not None else ""


def filter_lines(record: Record) -> list[str]:
    """Return the size of the installed filter, the dangerous calls it allows, and those documented as refused."""
    found = process_of(record)
    filters = found[0].raw("filters") if found else None
    if found is None or not isinstance(filters, Filters):
        why = filters.why if isinstance(filters, Unobserved) else "no process of the sandbox was observed from outside"
        return [f"installed filter: not observed: {why}"]
    try:
        installed = read_installed(found[0], machine_of(record))
        if installed is None:
            return [_size_line(filters, found[1]), f"the call numbers of {machine_of(record)} are unknown here"]
        return [_size_line(filters, found[1]), _passing_line(installed), *_beyond_lines(record, installed)]
    except UnobservedFact as error:
        return [f"installed filter: {error}"]


def _size_line(filters: Filters, whose: str) -> str:
    sizes = [str(len(text) * 3 // 4 // 8) for text in filters.programs]
    programs = f"{len(sizes)} of {', '.join(sizes)} instructions" if sizes else "none"
    return f"installed filter of {whose} {len(filters.tasks)} tasks: {programs}"


def _passing_line(installed: Installed) -> str:
    found = in_words(installed.let_through)
    names = ", ".join(found.values())
    count = len({one.call for one in questions()} & call_numbers(installed.abis[0]).keys())
    default = "allows by default" if installed.allows_by_default else "refuses by default"
    return f"it {default}; dangerous calls that it lets through: {len(found)} of {count}: {names or 'none'}"


def beyond_documented(record: Record, installed: Installed) -> list[str]:
    """Return the calls that the runtime documents as refused and that the installed filter always allows."""
    documented = refusals_of(record.target.runtime)
    numbers = call_numbers(installed.abis[0])
    calls = [call for call in documented.refuses if call in numbers] if documented else []
    return [call for call in calls if installed.passes(installed.abis[0], numbers[call]) is Passes.ALWAYS]


def _beyond_lines(record: Record, installed: Installed) -> list[str]:
    documented = refusals_of(record.target.runtime)
    if documented is None:
        return [f"{record.target.runtime} documents no filter"]
    calls = beyond_documented(record, installed)
    return [f"let through though {BEYOND} ({documented.source}): {', '.join(calls) or 'none'}"]


def filter_table(record: Record, every: bool = False) -> Iterator[str]:
    """
    Yield the table of system calls: the filter's answer in each ABI, with all arguments unknown.

    Args:
        record: what was observed of one target.
        every: whether to list also the calls that every ABI allows with any arguments.
    """
    yield f"{record.target.id}"
    yield from (f"  {line}" for line in filter_lines(record))
    found = process_of(record)
    try:
        installed = read_installed(found[0], machine_of(record)) if found else None
    except UnobservedFact:
        return
    if installed is None:
        return
    yield f"  numbers: {version()}"
    newer = calls_newer_than(_release_of(record))
    if newer:
        yield f"  newer than this kernel, Linux {_release_of(record)}: {', '.join(newer)}"
    beyond = set(beyond_documented(record, installed))
    for name in _names(installed):
        cells = {abi: _cell(installed, abi, name) for abi in installed.abis}
        if every or any(not cell.endswith(": allow") for cell in cells.values() if cell) or name in beyond:
            note = f"  <- {BEYOND}" if name in beyond else ""
            note += f"  (since Linux {newer[name]})" if name in newer else ""
            yield f"  {name:24}{'  '.join(f'{cell:46}' for cell in cells.values()).rstrip()}{note}"
    for abi in installed.abis:
        yield from _unnamed(installed, abi, every)


def _names(installed: Installed) -> list[str]:
    return sorted({name for abi in installed.abis for name in call_numbers(abi)})


def _cell(installed: Installed, abi: str, name: str) -> str:
    number = call_numbers(abi).get(name)
    if number is None:
        return ""
    return f"{abi} {number - ABIS[abi].first}: {_answer(installed, abi, number)}"


def _answer(installed: Installed, abi: str, number: int) -> str:
    """Return the distinct answers of the filters of all tasks."""
    answers = installed.answers(abi, number)
    return " / ".join(dict.fromkeys(describe(values) for values in answers))


def _unnamed(installed: Installed, abi: str, every: bool) -> Iterator[str]:
    """Yield the ranges of numbers without a known name (newer calls, gaps) that have one answer."""
    names, numbers = call_names(abi), ABIS[abi].range
    start = 0
    answers = ["" if number in names else _answer(installed, abi, number) for number in numbers]
    for at in range(1, len(answers) + 1):
        if at < len(answers) and answers[at] == answers[start]:
            continue
        if answers[start] and (every or answers[start] != "allow"):
            yield f"  {'(no name)':24}{abi} {start}-{at - 1}: {answers[start]}"
        start = at
