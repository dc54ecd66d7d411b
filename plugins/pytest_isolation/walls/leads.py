"""What the descriptors and folders of a sandbox's processes lead to outside it.

In: the leads of a process (provisioner/facts/descriptors.py).  Out: folders, files and namespaces, in words.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from provisioner.facts.descriptors import Lead
from provisioner.facts.namespaces import NAMESPACES
from provisioner.facts.process import Process, TaskState
from pytest_isolation.walls.tasks import name_task

# Devices that hold nothing of the host: null, zero, full, random and urandom (mem(4), null(4), random(4)).
HARMLESS = frozenset({(1, 3), (1, 5), (1, 7), (1, 8), (1, 9)})
# Terminals: dev.tty judges them (Documentation/admin-guide/devices.txt).
TERMINALS = frozenset({4, 5, *range(136, 144)})


def is_namespace(target: str) -> bool:
    """Whether a link names a namespace, such as "net:[4026531840]"."""
    return target.partition(":[")[0] in NAMESPACES and target.endswith("]")


def _is_terminal(lead: Lead) -> bool:
    return lead.type == "char" and lead.rdev is not None and lead.rdev[0] in TERMINALS


def _is_harmless(lead: Lead) -> bool:
    return lead.type == "char" and lead.rdev is not None and tuple(lead.rdev) in HARMLESS


def leads_outside(process: Process | TaskState) -> list[Lead]:
    """
    Return the leads of a process, without harmless devices, terminals and its program.

    fd.runtime_exe judges the program, dev.tty the terminals.  A named pipe or a socket file is a channel, no file.
    """
    return [
        lead
        for lead in process.leads
        if lead.fd != "exe"
        and lead.type not in ("fifo", "socket", "symlink")
        and not _is_harmless(lead)
        and not _is_terminal(lead)
    ]


def folders(process: Process | TaskState) -> list[str]:
    """Return the folders outside the sandbox that a process holds, by descriptor."""
    return [_name(lead) for lead in leads_outside(process) if lead.type == "dir"]


def namespaces(process: Process | TaskState, hosts: Collection[str]) -> list[str]:
    """
    Return the namespaces outside the sandbox that a process holds.

    A namespace counts if it is the host's or a process outside is in it.  A process of the sandbox may have made any
    other itself.

    Args:
        process: the process.
        hosts: the host's namespaces as links name them.
    """
    return [
        f"{_name(lead)} leads to {lead.target}"
        for lead in leads_outside(process)
        if is_namespace(lead.target) and (lead.target in hosts or lead.holder is not None)
    ]


def files(process: Process | TaskState) -> list[str]:
    """Return the files, disks and other devices outside the sandbox that a process holds, by descriptor."""
    return [
        f"{_name(lead)} leads to {_what(lead)}"
        for lead in leads_outside(process)
        if lead.type != "dir" and not is_namespace(lead.target)
    ]


def _name(lead: Lead) -> str:
    return f"descriptor {lead.fd}" if lead.fd.isdecimal() else lead.fd


def _what(lead: Lead) -> str:
    if lead.rdev is None:
        return f"the file {lead.target}"
    kind = "disk" if lead.type == "block" else "device"
    return f"the {kind} {lead.target} ({lead.rdev[0]}:{lead.rdev[1]})"


def of_tasks(tasks: Sequence[TaskState], what: Callable[[TaskState], list[str]]) -> list[str]:
    """
    Return what tasks hold, each with its task's name.

    Args:
        tasks: the tasks.
        what: returns what one of them holds.
    """
    return [f"{text} in {name_task(task)}" for task in tasks for text in what(task)]
