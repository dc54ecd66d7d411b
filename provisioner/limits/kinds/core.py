"""The limit on the size of a core file."""

from __future__ import annotations

import re
from typing import Any

from provisioner.errors import UnobservedFact
from provisioner.limits.kinds.memory import MIB, UNITS
from provisioner.limits.limit import Limit
from provisioner.limits.measured import CgroupFilesBase, LoadBase, amount_inside, measured_number, or_none
from provisioner.observed import Fact, Number, Observed, Text, since_schema

BEYOND = 3 * MIB
OVERHEAD = 1 << 16  # blocks by which a file system finds the blocks of the file; a page is up to 64 KiB


class CoreLimit(Observed):
    """
    RLIMIT_CORE of the process, in bytes (getrlimit(2)); None: unlimited.

    `limit` is the hard value: a process may raise its soft one to it.
    """

    soft: Fact[Number | None]
    limit: Fact[Number | None]


class CoreLoad(LoadBase):
    """
    What a crash left.

    `core_bytes` is how many bytes the core file takes, 0 for none.
    `core_to` is what the host does with cores: "file", "program" (core(5), "Piping core dumps to a program"), or
    "nowhere" if the sandbox has no folder to write one in.
    """

    core_bytes: Fact[Number] = since_schema()
    core_to: Fact[Text] = since_schema()


class Core(Limit[CoreLoad]):
    """RLIMIT_CORE: of each process, and inherited by its children."""

    name = argument = "core"
    unit = "bytes of a core file"
    units = UNITS
    example = "1MiB or 1048576"
    rank = 80
    amount = MIB
    pushed = 16 * MIB
    section = CoreLimit
    load = CoreLoad
    shown_inside = ("limits.core.limit",)

    def show_amount(self, amount: float) -> str:
        return f"{round(amount / MIB, 2):.10g}MiB"

    def template_values(self, amount: int) -> dict[str, object]:
        return {"bytes": amount, "mib": amount // MIB}

    def load_argv(self, amount: int, host_cpus: int) -> tuple[str, ...]:
        return ("load", "core", str(min(int(amount), self.pushed) + BEYOND))

    def read_load(self, output: bytes, host_cpus: int) -> dict[str, Any]:
        left = re.search(rb"^core (\d+) to (\w+)$", output, re.MULTILINE)
        return {"core_bytes": int(left[1]), "core_to": left[2].decode()} if left else {}

    def used(self, load: CoreLoad) -> float | None:
        return measured_number(load, "core_bytes")

    def why_unbounded(self, files: CgroupFilesBase) -> str | None:
        if self.declared(files) is not None:
            return None
        return "limit=none: a core file may be as large as the memory of its process"

    def why_not_applicable(self, load: CoreLoad) -> str | None:
        """RLIMIT_CORE bounds no core that the kernel hands to a program (core(5))."""
        if load.raw("core_to") == "program":
            return "the host hands cores to a program, which this limit does not bound"
        if load.raw("core_to") == "nowhere":
            return "it has no folder to write a core file in"
        return None

    def why_not_in_force(self, load: CoreLoad) -> str | None:
        """Not in force: another limit is shown, or a crash left a larger file."""
        asked = int(load.limit)
        shown = amount_inside(load) if load.shown is None else load.shown.core.limit
        if shown is None or shown != asked:
            return f"its hard limit is {or_none(shown)} for a core file, {asked} bytes were asked for"
        if load.core_bytes > asked + OVERHEAD:
            return f"a crash left a core file of {load.core_bytes} bytes of {asked}"
        if asked and not load.core_bytes:
            raise UnobservedFact(
                "loads[core]", "", "a crash left no core file where it ran: see core_pattern of core(5)"
            )
        return None


LIMIT = Core()
