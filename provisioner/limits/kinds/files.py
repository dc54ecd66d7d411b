"""The limit on the files that a process has open."""

from __future__ import annotations

import re
from typing import Any

from provisioner.errors import UnobservedFact
from provisioner.limits.limit import Limit
from provisioner.limits.measured import LoadBase, amount_inside, measured_number, or_none
from provisioner.observed import Answer, Fact, Number, Observed, since_schema

MOST = 1 << 20  # as many as fs.nr_open lets any process have by default (proc_sys_fs(5))
BEYOND = 64


class FilesLimit(Observed):
    """
    RLIMIT_NOFILE of the process (getrlimit(2)); None: unlimited.

    `limit` is the hard value: a process may raise its soft one to it.
    """

    soft: Fact[Number | None]
    limit: Fact[Number | None]


class FilesLoad(LoadBase):
    """`descriptors` is the highest descriptor and one, `open_error` the errno's name of the failed call or "ok"."""

    descriptors: Fact[Number] = since_schema()
    open_error: Fact[Answer] = since_schema()


class Files(Limit[FilesLoad]):
    """RLIMIT_NOFILE: of each process, and inherited by its children."""

    name = argument = "files"
    unit = "open files"
    example = "256"
    rank = 40
    amount = 256
    pushed = MOST
    section = FilesLimit
    load = FilesLoad
    shown_inside = ("limits.files.limit",)

    def template_values(self, amount: int) -> dict[str, object]:
        return {"count": amount}

    def load_argv(self, amount: int, host_cpus: int) -> tuple[str, ...]:
        return self.push_argv(min(amount, MOST) + BEYOND, host_cpus)

    def push_argv(self, pushed: int, host_cpus: int) -> tuple[str, ...]:
        return ("load", "files", str(min(pushed, MOST + BEYOND)))

    def read_load(self, output: bytes, host_cpus: int) -> dict[str, Any]:
        opened = re.search(rb"descriptors (\d+) errno (\w+)", output)
        return {"descriptors": int(opened[1]), "open_error": opened[2].decode()} if opened else {}

    def used(self, load: FilesLoad) -> float | None:
        return measured_number(load, "descriptors")

    def show_used(self, load: FilesLoad, used: float) -> str:
        return f"opened {used:g}"

    def why_not_in_force(self, load: FilesLoad) -> str | None:
        """Not in force: another limit is shown, or a process opened more files than the limit."""
        asked = int(load.limit)
        shown = amount_inside(load) if load.shown is None else load.shown.files.limit
        if shown is None or shown != asked:
            return f"its hard limit is {or_none(shown)} open files, {asked} were asked for"
        if load.descriptors > asked:
            return f"it opened {load.descriptors} files of {asked}"
        if load.open_error != "EMFILE":
            why = f"opening ended with {load.open_error} at {load.descriptors} files, not with EMFILE"
            raise UnobservedFact("loads[files]", "", why)
        if load.descriptors < asked:
            raise UnobservedFact("loads[files]", "", f"opening failed at {load.descriptors} files, below the limit")
        return None


LIMIT = Files()
