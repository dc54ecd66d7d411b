"""provisioner.limits.kinds.cpu: the quota that is written, and which load is repeated."""

from __future__ import annotations

import pytest

from provisioner.limits.document import CgroupFiles, Load
from provisioner.limits.kinds.cpu import LIMIT, CpuLimit
from provisioner.observed import unobserved

GONE = unobserved("its cgroup is gone")


def files(throttled: int | None) -> CgroupFiles:
    section = CpuLimit.model_construct(nr_throttled=GONE if throttled is None else throttled)
    return CgroupFiles.model_construct(version=1, cpu=section)


def load(used: float, shown: CgroupFiles | None, after: CgroupFiles | None) -> Load:
    return Load.model_construct(limit=0.25, cpu_us=int(used * 2_000_000), wall_us=2_000_000, shown=shown, after=after)


def test_a_quota_is_never_below_what_the_kernel_takes() -> None:
    (file,) = LIMIT.cgroup_setting(0.001).v2

    assert (file.name, file.value) == ("cpu.max", "1000 100000")


@pytest.mark.parametrize(
    ("used", "before", "after", "disturbed"),
    [
        (0.10, 0, 20, True),  # far below its quota of 0.25
        (0.24, 0, 20, False),
        (0.24, 3, 3, True),  # about the quota, by chance: the kernel never held it
        (0.24, 3, None, False),  # the second count is not there to compare
        (1.90, 3, 3, False),  # a quota that is not in force
    ],
)
def test_a_load_that_other_work_held_is_repeated(used: float, before: int, after: int | None, disturbed: bool) -> None:
    assert LIMIT.was_disturbed(load(used, files(before), files(after))) is disturbed


def test_without_a_view_from_outside_the_used_time_decides() -> None:
    assert LIMIT.was_disturbed(load(0.1, None, None))
    assert not LIMIT.was_disturbed(load(0.24, None, GONE))


def test_a_load_that_measured_no_time_is_not_repeated() -> None:
    assert not LIMIT.was_disturbed(Load.model_construct(limit=0.25, cpu_us=GONE, wall_us=GONE))
