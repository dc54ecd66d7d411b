"""What kernels report about the processors that sandboxes share.

In: reports and lists as /sys and /proc write them.  Out: open flaws, and cores that two sandboxes share.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from provisioner.errors import UnobservedFact
from provisioner.observed import FactMap

# How a report of an open flaw begins (Documentation/admin-guide/hw-vuln/).
_OPEN = ("Vulnerable", "KVM: Vulnerable", "Processor vulnerable")


def is_open(report: str) -> bool:
    """Whether a report says that the flaw is open."""
    return report.startswith(_OPEN)


def is_unknown(report: str) -> bool:
    """Whether a report says that the kernel does not know, as in a guest that cannot see its host."""
    return report.startswith("Unknown")


def open_flaws(flaws: FactMap[str], of: str = "flaws") -> list[str]:
    """
    Return the reports that say "Vulnerable", as "name: report".

    Args:
        flaws: reports by flaw, from /sys/devices/system/cpu/vulnerabilities.
        of: name of the fact, for the error.

    Raises:
        UnobservedFact: no report says "Vulnerable", and one says "Unknown".
    """
    reports: Mapping[str, str] = {name: flaws[name] for name in flaws.names()}
    found = [f"{name}: {report}" for name, report in reports.items() if is_open(report)]
    unknown = [f"{name}: {report}" for name, report in reports.items() if is_unknown(report)]
    if unknown and not found:
        raise UnobservedFact(of, "", f"the kernel reports {', '.join(unknown)}")
    return found


def parse_cpus(text: str) -> frozenset[int]:
    """
    Return the processors of a list such as "0-3,8" (cpuset(7), List format).

    Raises:
        UnobservedFact: the text is no such list.
    """
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise UnobservedFact("cpus", "", f"'{text}' is no list of processors")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def shared_cores(cores: Iterable[str], mine: str, others: str) -> list[str]:
    """
    Return the cores with several threads on which both may run.

    Args:
        cores: for each core, the list of its processors.
        mine, others: lists of the processors on which each may run.
    """
    one, other = parse_cpus(mine), parse_cpus(others)
    threads = {core: parse_cpus(core) for core in cores}
    return [core for core, cpus in threads.items() if len(cpus) > 1 and cpus & one and cpus & other]
