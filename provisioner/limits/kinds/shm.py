"""The size of the sandbox's own /dev/shm."""

from __future__ import annotations

import re
from typing import Any

from provisioner.errors import UnobservedFact
from provisioner.limits.kinds.memory import ENDED_BY_LIMIT, MIB, SLACK, UNITS
from provisioner.limits.limit import Limit
from provisioner.limits.measured import CgroupFilesBase, LoadBase, amount_inside, measured_number, or_none
from provisioner.observed import Answer, Fact, Number, Observed, since_schema

PAGE = 1 << 16  # tmpfs(5): a size is rounded up to whole pages, 64 KiB on some arm64 kernels


class ShmLimit(Observed):
    """
    Bytes; the option `size` of the tmpfs on /dev/shm in the process's mount table (tmpfs(5)).

    None: none is shown, so it may grow to half of the host's memory.  `mounted`: whether a tmpfs is there.
    """

    limit: Fact[Number | None]
    mounted: Fact[bool]


class ShmLoad(LoadBase):
    """`shm_bytes` is how much was written, `shm_error` the errno's name of the failed write or "ok"."""

    shm_bytes: Fact[Number] = since_schema()
    shm_error: Fact[Answer] = since_schema()


class Shm(Limit[ShmLoad]):
    """The size of the tmpfs on /dev/shm; what is in it is memory of the host, or of the sandbox's memory cgroup."""

    name = argument = "shm"
    unit = "bytes of /dev/shm"
    units = UNITS
    example = "64MiB or 67108864"
    rank = 70
    amount = 8 * MIB
    pushed = 256 * MIB
    section = ShmLimit
    load = ShmLoad
    shown_inside = ("limits.shm.limit",)

    def show_amount(self, amount: float) -> str:
        return f"{round(amount / MIB, 2):.10g}MiB"

    def template_values(self, amount: int) -> dict[str, object]:
        return {"bytes": amount, "mib": amount // MIB}

    def load_argv(self, amount: int, host_cpus: int) -> tuple[str, ...]:
        return ("load", "fill", "/dev/shm", str(min(int(amount), self.pushed) + MIB))

    def read_load(self, output: bytes, host_cpus: int) -> dict[str, Any]:
        filled = re.findall(rb"^filled (\d+) errno (\w+)$", output, re.MULTILINE)
        return {"shm_bytes": int(filled[-1][0]), "shm_error": filled[-1][1].decode()} if filled else {}

    def used(self, load: ShmLoad) -> float | None:
        return measured_number(load, "shm_bytes")

    def why_no_object(self, files: CgroupFilesBase) -> str | None:
        return None if files.shm.mounted else "it has no /dev/shm of its own"

    def why_unbounded(self, files: CgroupFilesBase) -> str | None:
        if self.declared(files) is not None:
            return None
        return "limit=none: its /dev/shm has no size, and may grow to half of the host's memory"

    def why_not_in_force(self, load: ShmLoad) -> str | None:
        """Not in force: another size is shown, or more was written."""
        asked = int(load.limit)
        shown = amount_inside(load) if load.shown is None else load.shown.shm.limit
        if shown is None or not 0 <= shown - asked < PAGE:
            return f"its /dev/shm has {or_none(shown)}, {asked} bytes were asked for"
        memory = None if load.shown is None else load.shown.memory.raw("limit")
        if load.ended in ENDED_BY_LIMIT and isinstance(memory, int) and memory <= shown + SLACK:
            return None  # killed at its memory limit, to which what is in a tmpfs is charged (tmpfs(5))
        if load.shm_bytes > shown:
            return f"it wrote {load.shm_bytes} bytes of {asked}"
        if load.shm_error != "ENOSPC":
            why = f"writing ended with {load.shm_error} at {load.shm_bytes} bytes, not with ENOSPC"
            raise UnobservedFact("loads[shm]", "", why)
        if load.shm_bytes < asked - MIB:
            raise UnobservedFact("loads[shm]", "", f"it was full at {load.shm_bytes} bytes, far below the limit")
        return None


LIMIT = Shm()
