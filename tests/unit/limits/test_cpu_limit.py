"""provisioner.limits.kinds.cpu: the quota that is written, and which load is repeated."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from provisioner.limits.document import CgroupFiles, Load
from provisioner.limits.kinds.cpu import LIMIT, CpuLimit
from provisioner.limits.kinds.memory import MemoryLimit
from provisioner.limits.kinds.pids import PidsLimit
from provisioner.limits.limit import limit_named
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
    assert not LIMIT.was_disturbed(Load.model_construct(limit=0.25, ended="exit 0", cpu_us=GONE, wall_us=GONE))


def test_a_load_that_did_not_end_in_its_time_is_repeated() -> None:
    assert LIMIT.was_disturbed(Load.model_construct(limit=0.25, ended="deadline", cpu_us=GONE, wall_us=GONE))
    for name in ("memory", "pids"):
        assert limit_named(name).was_disturbed(Load.model_construct(limit=1.0, ended="deadline"))
        assert not limit_named(name).was_disturbed(Load.model_construct(limit=1.0, ended="exit 0"))


@pytest.mark.parametrize("name", ["memory", "pids"])
def test_a_load_that_never_ended_in_its_time_says_that_the_host_was_busy(name: str) -> None:
    shown = CgroupFiles.model_construct(
        version=1, memory=MemoryLimit.model_construct(limit=64 << 20), pids=PidsLimit.model_construct(limit=64 << 20)
    )
    one = Load.model_construct(
        limit=float(64 << 20), ended="deadline", shown=shown, steps_mib=3, children=3, fork_error=GONE
    )

    with pytest.raises(UnobservedFact, match="the host was too busy"):
        limit_named(name).why_not_in_force(one)


def counted(used: float, throttled: int | None, periods: int | None, quota: int = 25_000) -> Load:
    def cpu(nr_throttled: int | None, nr_periods: int | None) -> CgroupFiles:
        section = CpuLimit(
            quota_us=quota,
            period_us=100_000,
            usage_us=0,
            nr_periods=GONE if nr_periods is None else nr_periods,
            nr_throttled=GONE if nr_throttled is None else nr_throttled,
        )
        return CgroupFiles.model_construct(version=2, cpu=section)

    return load(used, cpu(3, 5), cpu(throttled, periods)).model_copy(update={"host_cpus": 2})


@pytest.mark.parametrize(
    ("used", "throttled", "periods"),
    [
        (0.24, 20, 25),
        (0.24, 3, 25),  # never throttled: other work left less
        (0.02, 3, 15),
        (0.24, 20, 5),
        (0.24, None, 25),
    ],
)
def test_a_quota_is_in_force_where_the_kernel_counts_it(used: float, throttled: int | None, periods: int) -> None:
    assert LIMIT.why_not_in_force(counted(used, throttled, periods)) is None


@pytest.mark.parametrize(
    ("used", "throttled", "periods"), [(0.24, 3, 5), (0.24, 3, 14), (0.02, 20, 5), (0.02, 3, None)]
)
def test_a_quota_that_nothing_shows_is_unknown(used: float, throttled: int, periods: int | None) -> None:
    with pytest.raises(UnobservedFact):
        LIMIT.why_not_in_force(counted(used, throttled, periods))


def test_counted_periods_excuse_neither_more_time_nor_another_quota() -> None:
    assert LIMIT.why_not_in_force(counted(0.3, 20, 25)) == "it used 0.30 CPUs of 0.25"
    assert "a quota of 50000" in str(LIMIT.why_not_in_force(counted(0.1, 20, 25, quota=50_000)))
