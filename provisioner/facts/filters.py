"""The seccomp filters that are installed in a sandbox's tasks, as the kernel gives them (process/filters.c).

Only seen from the host.  pytest_isolation.walls.seccomp interprets the programs.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from provisioner.facts.forms import Pid
from provisioner.facts.programs import parse_program
from provisioner.observed import Fact, Number, Observed

MAX_TASKS = 256
MAX_PROGRAMS = 64
MAX_PROGRAM_TEXT = 4 * ((4096 * 8 + 2) // 3)  # base64 of BPF_MAXINSNS instructions of 8 bytes


def _is_program(text: str) -> str:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("should be base64") from None
    parse_program(data)
    return text


Program = Annotated[str, Field(max_length=MAX_PROGRAM_TEXT), AfterValidator(_is_program)]


class TaskFilters(Observed):
    """
    The filters of one task (a thread), the oldest first, as indices into `Filters.programs`.

    An empty stack means that /proc/PID/status says `Seccomp: 0`.  An error is an unobserved stack.
    """

    pid: Pid
    tid: Pid
    stack: Fact[Annotated[list[Number], Field(max_length=MAX_PROGRAMS)]]


class Filters(Observed):
    """
    The tasks of the process and of its pid namespace, and the programs that filter them, each once.

    A program is an array of struct sock_filter, little endian, in base64.  `stopped_us` is the longest time that one
    task was stopped to read its filters.
    """

    tasks: Annotated[list[TaskFilters], Field(max_length=MAX_TASKS)]
    programs: Annotated[list[Program], Field(max_length=MAX_PROGRAMS)]
    stopped_us: Number

    @model_validator(mode="after")
    def _holds_the_programs_of_all_tasks(self) -> Filters:
        count = len(self.programs)
        for task in self.tasks:
            stack = task.raw("stack")
            if isinstance(stack, list) and any(place >= count for place in stack):
                raise ValueError(f"the stack of task {task.tid} should name programs below {count}")
        return self
