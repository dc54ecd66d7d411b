"""provisioner.limits.kinds.swap: what is written into a cgroup, and what a sandbox of a user's own lets grow."""

from __future__ import annotations

import pytest

from provisioner.errors import IsolationError
from provisioner.limits.document import CgroupFiles
from provisioner.limits.kinds.memory import MemoryLimit
from provisioner.limits.kinds.swap import LIMIT, SwapLimit
from provisioner.limits.limits import Limits

MIB = 1 << 20


def files(memory: int | None, both: int | None) -> CgroupFiles:
    return CgroupFiles.model_construct(
        version=1, memory=MemoryLimit.model_construct(limit=memory), swap=SwapLimit.model_construct(limit=both)
    )


def test_version_1_holds_the_sum_and_version_2_the_swap_alone() -> None:
    _, swap = Limits(memory="64MiB", memory_swap="80MiB").cgroup_settings()

    assert [(file.name, file.value) for file in swap.v1] == [("memory.memsw.limit_in_bytes", str(80 * MIB))]
    assert [(file.name, file.value) for file in swap.v2] == [("memory.swap.max", str(16 * MIB))]


def test_swap_alone_is_no_limit() -> None:
    with pytest.raises(IsolationError, match="cannot limit memory_swap alone; give memory too"):
        Limits(memory_swap="64MiB")


@pytest.mark.parametrize(
    ("memory", "both", "why"),
    [
        (64 * MIB, 64 * MIB, None),
        (64 * MIB, 128 * MIB, "limit=partial: its 67108864 bytes of memory grow to 134217728 with swap"),
        (64 * MIB, None, "limit=none: its cgroup and those above set no limit of bytes of memory and swap"),
        (None, None, "limit=none: its cgroup and those above set no limit of bytes of memory and swap"),
    ],
)
def test_memory_that_grows_by_swap_is_open(memory: int | None, both: int | None, why: str | None) -> None:
    assert LIMIT.why_unbounded(files(memory, both)) == why
