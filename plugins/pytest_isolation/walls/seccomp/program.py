"""Which calls the installed seccomp filters allow, by call and ABI.

In: the facts of a process seen from outside, the machine's name.
Out: `Installed`, which answers for all tasks at once: the weakest task counts.  Pure.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property

from provisioner.errors import UnobservedFact
from provisioner.facts.filters import Filters
from provisioner.facts.process import Process
from pytest_isolation.walls.seccomp.actions import Passes, Values, answers, errnos, passes
from pytest_isolation.walls.seccomp.syscalls import ABIS, BY_MACHINE, call_numbers

ADDR_NO_RANDOMIZE = 0x0040000
Arguments = tuple[int, ...] | None
# The calls that the default profiles of docker (20.10, 29) and podman (4.3, 5) both refuse with default capabilities,
# with the arguments that matter; None: any.  The profiles allow personality(2) with the values that compatibility
# needs; podman's allows reboot(2), and relies on the capability.
DANGEROUS: dict[str, Arguments] = {
    **dict.fromkeys(("acct", "add_key", "bpf", "delete_module", "finit_module", "init_module", "ioperm", "iopl")),
    **dict.fromkeys(("kcmp", "kexec_file_load", "kexec_load", "move_pages", "open_by_handle_at", "perf_event_open")),
    "personality": (ADDR_NO_RANDOMIZE,),
    **dict.fromkeys(("quotactl", "request_key", "swapoff", "swapon", "userfaultfd")),
}


@dataclass(frozen=True)
class Installed:
    """
    The filters of each task.

    Attributes:
        stacks: the distinct stacks of filters; each has the programs of a task, the oldest first.
        abis: names of the ABIs of this machine, its own first.
    """

    stacks: tuple[tuple[bytes, ...], ...]
    abis: tuple[str, ...]

    def answers(self, abi: str, number: int, args: Arguments = None) -> tuple[Values, ...]:
        """
        Return the possible answers of each stack to a call.

        Args:
            abi: name of the ABI.
            number: the call, as a filter sees it.
            args: its arguments; None: any.
        """
        known = ABIS[abi]
        numbers = known.range if number in known.range else range(number, number + 1)
        return tuple(answers(stack, known.arch, numbers, number, args) for stack in self.stacks)

    def passes(self, abi: str, number: int, args: Arguments = None) -> Passes:
        """
        Return how far a call gets in the task with the weakest filter.

        Args:
            abi: name of the ABI.
            number: the call, as a filter sees it.
            args: its arguments; None: any.
        """
        order = (Passes.ALWAYS, Passes.SOMETIMES, Passes.HANDED, Passes.NEVER)
        return min((passes(values) for values in self.answers(abi, number, args)), key=order.index)

    def errnos(self, abi: str, number: int, args: Arguments = None) -> frozenset[str]:
        """
        Return what the caller sees of a refusal, by errno names.

        Args:
            abi: name of the ABI.
            number: the call, as a filter sees it.
            args: its arguments; None: any.
        """
        return frozenset().union(*(errnos(values) for values in self.answers(abi, number, args)))

    @cached_property
    def let_through(self) -> dict[str, Passes]:
        """The dangerous calls that pass by the machine's own ABI, always or for some arguments."""
        return self.let_through_by(self.abis[0])

    def let_through_by(self, abi: str) -> dict[str, Passes]:
        """Return the dangerous calls that pass by an ABI, always or for some arguments."""
        numbers = call_numbers(abi)
        found = {call: self.passes(abi, numbers[call], args) for call, args in DANGEROUS.items() if call in numbers}
        return {call: how for call, how in found.items() if how in (Passes.ALWAYS, Passes.SOMETIMES)}


def read_installed(process: Process, machine: str) -> Installed | None:
    """
    Return the filters of a process and of the other tasks of its sandbox.

    Returns:
        None if they were not observed, or if the call numbers of this machine are unknown.

    Raises:
        UnobservedFact: they were observed for some of the tasks only, or for none.
    """
    filters = process.raw("filters")
    if not isinstance(filters, Filters) or machine not in BY_MACHINE:
        return None
    programs = [base64.b64decode(text) for text in filters.programs]
    stacks = dict.fromkeys(tuple(programs[place] for place in task.stack) for task in filters.tasks)
    if not stacks:
        raise UnobservedFact("process.filters.tasks", "", "no task was asked")
    return Installed(tuple(stacks), BY_MACHINE[machine])
