"""Which calls the installed seccomp filters allow, by call and ABI.

In: the facts of a process seen from outside, the machine's name.
Out: `Installed`, which answers for all tasks at once: the weakest task counts.  Pure.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from provisioner.errors import UnobservedFact
from provisioner.facts.filters import Filters
from provisioner.facts.process import Process
from pytest_isolation.walls.seccomp.actions import Passes, Values, answers, errnos, passes
from pytest_isolation.walls.seccomp.bpf import Arguments
from pytest_isolation.walls.seccomp.reasons import Question, questions
from pytest_isolation.walls.seccomp.syscalls import ABIS, BY_MACHINE, call_numbers


@dataclass(frozen=True)
class Installed:
    """
    The filters of each task.

    Attributes:
        stacks: the distinct stacks of filters; each has the programs of a task, the oldest first.
        abis: names of the ABIs of this machine, its own first.
        bare: the processes with a task without a filter, by their pids on the host.
    """

    stacks: tuple[tuple[bytes, ...], ...]
    abis: tuple[str, ...]
    bare: tuple[int, ...] = ()

    def answers(self, abi: str, number: int, args: Arguments = None) -> tuple[Values, ...]:
        """
        Return the possible answers of each stack to a call.

        Args:
            abi: name of the ABI.
            number: the call, as a filter sees it.
            args: its arguments; None: any.
        """
        known = ABIS[abi]
        together = args is None and number in known.range  # one walk answers for all numbers
        numbers = known.range if together else range(number, number + 1)
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
    def let_through(self) -> dict[Question, Passes]:
        """The dangerous calls that pass by the machine's own ABI, always or for some arguments."""
        return self.let_through_by(self.abis[0])

    def let_through_by(self, abi: str) -> dict[Question, Passes]:
        """Return the dangerous calls that pass by an ABI, always or for some arguments."""
        numbers = call_numbers(abi)
        found: dict[Question, Passes] = {}
        for question in questions():
            if question.call not in numbers or question.upper_of in found:
                continue  # or it passes as it is
            if question.upper_of is not None and abi == "i386":
                continue  # its registers have no upper half
            how = self._asked(abi, numbers[question.call], question)
            if how in (Passes.ALWAYS, Passes.SOMETIMES):
                found[question] = how
        return found

    def _asked(self, abi: str, number: int, question: Question) -> Passes:
        """Return how far a call gets with the arguments of a question; any arguments are computed first, for speed."""
        how = self.passes(abi, number)
        return (
            how
            if question.args is None or how in (Passes.ALWAYS, Passes.NEVER)
            else self.passes(abi, number, question.args)
        )

    @property
    def is_absent(self) -> bool:
        """Whether no task has a filter."""
        return not any(self.stacks)

    @cached_property
    def allows_by_default(self) -> bool:
        """Whether a call that no rule can know passes, by the machine's own ABI."""
        abi = self.abis[0]
        return self.passes(abi, ABIS[abi].range[-1]) is Passes.ALWAYS


def in_words(let_through: Mapping[Question, Passes]) -> dict[str, str]:
    """
    Return calls in words, by call: "bpf", "clone(CLONE_NEWNS, CLONE_NEWPID)", "unshare" if all its arguments pass.

    Args:
        let_through: how far each question's call gets.
    """
    found: dict[str, str] = {}
    for call in dict.fromkeys(question.call for question in let_through):
        all_of = [question for question in questions() if question.call == call and question.upper_of is None]
        ways: dict[Passes, list[Question]] = {Passes.ALWAYS: [], Passes.SOMETIMES: []}
        for question, how in let_through.items():
            if question.call == call:
                ways[how].append(question)
        found[call] = ", ".join(_words(call, some, how, some == all_of) for how, some in ways.items() if some)
    return found


def _words(call: str, some: list[Question], how: Passes, every: bool) -> str:
    arguments = ", ".join(question.arguments for question in some)
    named = call if every or not arguments else f"{call}({arguments})"
    return named if how is Passes.ALWAYS else f"{named} ({how})"


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
    bare = tuple(task.pid for task in filters.tasks if not task.stack)
    stacks = dict.fromkeys(tuple(programs[place] for place in task.stack) for task in filters.tasks)
    if not stacks:
        raise UnobservedFact("process.filters.tasks", "", "no task was asked")
    return Installed(tuple(stacks), BY_MACHINE[machine], bare)
