"""What sandboxes see of memory and processors: the rules of run-times, the parts of results, the tables."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from isolation_command import isolation
from sample_records import archived, blank

from provisioner.limits.document import Load, Loads
from provisioner.limits.visible import READERS, Resources, Visible, readings
from provisioner.observed import unobserved
from provisioner.sandboxes.visible import visible_in
from pytest_isolation.judge.judge import judge_records
from pytest_isolation.policy.policy import Policy
from pytest_isolation.records.record import Record
from pytest_isolation.report.html import render_html
from pytest_isolation.results.merge import merge
from pytest_isolation.results.visible import visible_of, visible_tables

MIB = 1 << 20
GONE: Any = unobserved("not there")


def seen(memory: Any = 64 * MIB, quota: Any = 0.5, lxcfs: Any = (), **counts: Any) -> Visible:
    known = {"sysinfo": 8192 * MIB, "cpuinfo": 4, "stat": 4, "online": 4, "possible": 8, "affinity": 4}
    resources = Resources(**known | counts)
    return Visible(resources=resources, meminfo=8191 * MIB, memory=memory, quota=quota, lxcfs=list(lxcfs))


def record(visible: Any, **files: Any) -> Record:
    fields: dict[str, Any] = dict.fromkeys(Load.model_fields, GONE)
    words = {"refused": "", "warning": "", "set_by": "", "ended": "exit 0", "shown": None, "after": None}
    loads = {
        name: Load.model_validate({**fields, **words, "inside": None, "limit": limit, "visible": visible})
        for name, limit in (("memory", 64.0 * MIB), ("cpu", 0.5))
    }
    return blank().model_copy(update={"loads": Loads(loads)})


@pytest.mark.parametrize(
    ("quota", "affinity", "jvm", "go"),
    [(0.5, 4, 1, 2), (2.5, 4, 3, 3), (None, 4, 4, 4), (GONE, 2, 2, 2), (8.0, 4, 4, 4), (0.5, 1, 1, 1)],
)
def test_jvm_and_go_take_the_lesser_of_affinity_and_quota(quota: Any, affinity: int, jvm: int, go: int) -> None:
    shown = readings(seen(quota=quota, affinity=affinity), "processors")

    assert (shown["JVM"], shown["Go"]) == (jvm, go)


@pytest.mark.parametrize(("limit", "jvm"), [(64 * MIB, 64), (None, 8192), (GONE, 8192), (9000 * MIB, 8192)])
def test_a_jvm_takes_the_lesser_of_memory_and_the_limit_that_it_sees(limit: Any, jvm: int) -> None:
    assert readings(seen(memory=limit), "memory")["JVM"] == jvm * MIB


def test_without_sysfs_glibc_counts_the_lines_of_proc_stat() -> None:
    shown = readings(seen(online=GONE, possible=GONE, stat=3), "processors")

    assert (shown["os.cpu_count()"], shown["sysconf(_SC_NPROCESSORS_CONF)"]) == (3, 3)


def test_what_was_not_observed_is_left_out_and_no_limit_is_null() -> None:
    shown = readings(seen(memory=None, sysinfo=GONE), "memory")

    assert shown == {"/proc/meminfo": 8191 * MIB, "its cgroup": None}


def test_every_reading_is_a_column() -> None:
    assert all(set(readings(seen(), resource)) == set(names) for resource, names in READERS.items())


def test_results_hold_what_a_sandbox_with_limits_sees(tmp_path: Path) -> None:
    parts = {one.resource: one for one in visible_of(record(seen(lxcfs=["/proc/meminfo"])))}

    assert set(parts) == {"memory", "processors"}
    assert parts["memory"].shown["JVM"] == 64 * MIB
    assert parts["memory"].lxcfs == ("/proc/meminfo",)


def test_a_record_without_it_has_no_row() -> None:
    assert list(visible_of(record(GONE))) == []


def test_both_tables_are_in_the_page_and_printed_from_records(tmp_path: Path) -> None:
    results = judge_records([record(seen(quota=None))], Policy())
    done = isolation("limits", archived(record(seen(quota=None)), tmp_path))

    (memory, rows), (processors, counts) = visible_tables(results)
    assert (memory[0], rows[0][0], rows[0][-2]) == ("TARGET", "docker", "64MiB")
    assert counts[0][processors.index("its cgroup")] == "no limit"
    assert "What sandboxes see, and may use" in render_html(results)
    assert "sysconf(_SC_PHYS_PAGES)" in done.stdout
    assert "no limit" in done.stdout


def test_merging_keeps_one_row_for_each_target_and_resource() -> None:
    results = judge_records([record(seen())], Policy())

    assert merge(results, results).visible == results.visible


def test_lxcfs_is_known_by_its_mounts() -> None:
    mounts = [
        SimpleNamespace(fstype="fuse.lxcfs", target="/proc/meminfo"),
        SimpleNamespace(fstype="fuse.lxcfs", target="/var/lib/lxcfs"),
        SimpleNamespace(fstype="proc", target="/proc"),
    ]
    held = {"resources": GONE, "memory_total": 1, "mounts": mounts, "quota_us": 50_000, "period_us": 100_000}
    part = SimpleNamespace(raw=held.__getitem__)
    limits = SimpleNamespace(section=lambda name: GONE if name == "memory" else part)
    facts: Any = SimpleNamespace(system=part, process=part, limits=limits)

    assert visible_in(facts).lxcfs == ["/proc/meminfo"]
    assert visible_in(facts).quota == 0.5
