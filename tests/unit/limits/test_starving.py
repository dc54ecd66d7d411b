"""provisioner.limits.starving: a busy host is told from a limit that is not in force.  The times were recorded."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from provisioner.limits.document import CgroupFiles, Load
from provisioner.limits.kinds.cpu import LIMIT, CpuLimit
from provisioner.limits.limit import limit_named
from provisioner.limits.measured import BUSY
from provisioner.limits.starving import ready_share, waited, was_held, window
from provisioner.observed import unobserved
from provisioner.sandboxes.loads import read_schedule

# ran, waited, existed in microseconds: two busy processes on two processors, Linux 6.1
RECORDED = {
    "a quota of 0.25": (528_128, 3_578_914, 4_111_238),
    "no quota": (1_842_080, 2_155_207, 4_005_788),
    "eight busy loops beside": (31_445, 4_085_768, 4_341_702),
    "stopped by SIGSTOP for 2.4 of 3 s": (322_801, 891_490, 6_047_234),
}
GONE = unobserved("not told")


def load(name: str | None, **more: object) -> Load:
    ran, waiting, existed = RECORDED[name] if name else (GONE, GONE, GONE)
    used = ran if name else 31_445
    known = {"limit": 0.25, "ran_us": ran, "waited_us": waiting, "existed_us": existed, "cpu_us": used}
    return Load.model_construct(
        **(known | {"wall_us": 2_000_000, "host_cpus": 2, "shown": None, "after": None, "inside": 1.0} | more)
    )


@pytest.mark.parametrize(("name", "held"), [(name, name.startswith("stopped")) for name in RECORDED])
def test_a_load_is_held_by_something_else_where_it_is_not_ready_to_run(name: str, held: bool) -> None:
    assert was_held(load(name)) is held
    assert waited(load(name)).startswith(", and waited for a processor ")


def test_what_was_not_observed_holds_no_load() -> None:
    assert ready_share(load(None)) is None
    assert not was_held(load(None))
    assert waited(load(None)) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("eight busy loops beside", f"{BUSY}: the load reached 0.02 of 0.25 CPUs in 4 tries, and waited .* 94% of"),
        ("stopped by SIGSTOP for 2.4 of 3 s", "something else held it, ready to run 20% of the time"),
        (None, f"{BUSY}: the load reached 0.02 of 0.25 CPUs in 4 tries$"),
    ],
)
def test_a_starved_load_is_unknown_with_its_cause(name: str | None, why: str) -> None:
    shown = CgroupFiles.model_construct(
        version=2,
        cpu=CpuLimit(quota_us=25_000, period_us=100_000, usage_us=0, nr_periods=5, nr_throttled=3),
    )
    with pytest.raises(UnobservedFact, match=why):
        LIMIT.why_not_in_force(load(name, shown=shown, after=shown, cpu_us=40_000))


def test_a_limit_that_is_not_in_force_is_never_a_busy_host() -> None:
    assert LIMIT.why_not_in_force(load("no quota")) == "it used 0.92 CPUs of 0.25"
    assert not LIMIT.was_disturbed(load("no quota"))


@pytest.mark.parametrize(
    ("name", "again"), [("eight busy loops beside", True), ("stopped by SIGSTOP for 2.4 of 3 s", False)]
)
def test_a_starved_load_is_repeated_in_a_longer_window(name: str, again: bool) -> None:
    assert LIMIT.was_disturbed(load(name, cpu_us=40_000)) is again
    assert [LIMIT.again_argv(0.25, 2, attempt)[-1] for attempt in range(4)] == ["2000", "4000", "6000", "6000"]
    assert [window(attempt) for attempt in range(4)] == [1, 2, 3, 3]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("eight busy loops beside", f"{BUSY}: the load did not end in its time, and waited"),
        ("stopped by SIGSTOP for 2.4 of 3 s", "something else held the load, which did not end in 6 s: it ran 0.3 s"),
    ],
)
def test_a_load_that_did_not_end_says_what_it_waited_for(name: str, why: str) -> None:
    one = load(name, limit=32.0, ended="deadline", inside=32.0, children=GONE)

    with pytest.raises(UnobservedFact, match=why):
        limit_named("pids").why_not_in_force(one)
    assert limit_named("pids").was_disturbed(one) is why.startswith(BUSY)


def test_the_last_times_of_a_load_count() -> None:
    told = b"step 1\nschedule ran_us 1 waited_us 2 of_us 3\nschedule ran_us 4 waited_us 5 of_us 9\n"

    assert read_schedule(told) == {"ran_us": 4, "waited_us": 5, "existed_us": 9}
    assert read_schedule(b"schedule ran_us -1 waited_us 2 of_us 3\n") == {}
