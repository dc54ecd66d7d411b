"""The limit on memory and swap together: a limit of memory alone leaves the pages that are swapped out uncounted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from provisioner.errors import UnobservedFact
from provisioner.limits.cgroup import CgroupFile, CgroupSetting
from provisioner.limits.kinds.memory import ENDED_BY_LIMIT, LARGEST_PAGE, MIB, OVERLOAD, REACHED, SLACK, UNITS
from provisioner.limits.limit import Limit
from provisioner.limits.measured import (
    DEADLINE,
    CgroupFilesBase,
    LoadBase,
    amount_inside,
    measured_number,
    or_none,
)
from provisioner.limits.starving import why_late
from provisioner.observed import Fact, Number, Observed, Unobserved, since_schema


class SwapLimit(Observed):
    """
    Bytes; `limit` is memory and swap together, None: no limit.

    memory.max + memory.swap.max and memory.swap.current, v1's memory.memsw.limit_in_bytes and memory.stat swap.
    """

    limit: Fact[Number | None]
    swapped: Fact[Number | None]


class SwapLoad(LoadBase):
    """`swap_steps_mib` is how much the load touched, `swap_total` the bytes of swap that the host has (sysinfo(2))."""

    swap_steps_mib: Fact[Number] = since_schema()
    swap_total: Fact[Number] = since_schema()


class Swap(Limit[SwapLoad]):
    """
    memory.swap.max of cgroup v2 beside memory.max, memory.memsw.limit_in_bytes of v1.

    The amount is that of `docker run --memory-swap`, of OCI's `memory.swap` and of v1: memory and swap together.
    """

    name = "swap"
    argument = "memory_swap"
    needs = "memory"
    unit = "bytes of memory and swap"
    units = UNITS
    example = "64MiB, 1GiB or 67108864"
    rank = 50
    amount = 64 * MIB
    pushed = 1024 * MIB
    section = SwapLimit
    load = SwapLoad

    def show_amount(self, amount: float) -> str:
        return f"{round(amount / MIB, 2):.10g}MiB"

    def template_values(self, amount: int) -> dict[str, object]:
        return {"bytes": amount, "mib": amount // MIB}

    def cgroup_setting_beside(self, amount: int, beside: Mapping[str, float]) -> CgroupSetting:
        v1 = CgroupFile("memory.memsw.limit_in_bytes", str(amount), optional=True)
        v2 = CgroupFile("memory.swap.max", str(max(0, amount - int(beside[self.needs]))), optional=True)
        return CgroupSetting(self.argument, "memory", (v1,), (v2,))

    def load_argv(self, amount: int, host_cpus: int) -> tuple[str, ...]:
        return ("load", "swap", str(int(amount * OVERLOAD)))

    def read_load(self, output: bytes, host_cpus: int) -> dict[str, Any]:
        steps = re.findall(rb"^step (\d+)$", output, re.MULTILINE)
        swap = re.search(rb"^swap (\d+)$", output, re.MULTILINE)
        return {"swap_steps_mib": int(steps[-1]) if steps else 0, **({"swap_total": int(swap[1])} if swap else {})}

    def used(self, load: SwapLoad) -> float | None:
        touched = measured_number(load, "swap_steps_mib")
        return touched and touched * MIB

    def why_unbounded(self, files: CgroupFilesBase) -> str | None:
        """Also open: the limit of memory grows by swap."""
        memory, both = files.memory.limit, files.swap.limit
        if memory is not None and both is not None and both > memory:
            return f"limit=partial: its {memory} bytes of memory grow to {both} with swap"
        return super().why_unbounded(files)

    def why_not_applicable(self, load: SwapLoad) -> str | None:
        """
        A kernel that counts no swap cannot limit it, and a host without swap needs no limit.

        cgroup-v1/memory.rst: swapaccount=0.
        """
        if _is_counted(load) or load.raw("swap_total") != 0:
            return None
        return "the host has no swap, and its kernel counts none"

    def why_not_in_force(self, load: SwapLoad) -> str | None:
        """
        Not in force: another limit is shown, or more was touched.

        On a host without swap the load ends at the memory limit, and what is shown decides.
        """
        if not _is_counted(load) and load.swap_total:
            return f"its kernel counts no swap, of which the host has {load.swap_total // MIB} MiB"
        asked = int(load.limit)
        shown = amount_inside(load) if load.shown is None else load.shown.swap.limit
        if shown is None or not 0 <= asked - shown < LARGEST_PAGE:
            return f"memory and swap get {or_none(shown)} together, {asked} bytes were asked for"
        steps = load.swap_steps_mib
        if steps * MIB > asked or load.ended == "exit 0":
            return f"it took {steps} MiB of {asked / MIB:.0f}"
        if load.swap_total == 0:
            return None
        if load.ended == DEADLINE:
            raise UnobservedFact("loads[swap]", "", why_late(load, f"took {steps} MiB"))
        if load.ended not in ENDED_BY_LIMIT:
            raise UnobservedFact("loads[swap]", "", f"the load ended by '{load.ended}' after {steps} MiB")
        if steps * MIB < asked * REACHED - SLACK:
            raise UnobservedFact("loads[swap]", "", f"it was killed at {steps} MiB, far below the limit")
        return None


def _is_counted(load: SwapLoad) -> bool:
    """Whether the kernel has the files of swap; also where they could not be read."""
    section = load.shown.section("swap") if load.shown else None
    shown = section.raw("limit") if isinstance(section, Observed) else None
    return not (isinstance(shown, Unobserved) and shown.unobserved == "ENOENT")


LIMIT = Swap()
