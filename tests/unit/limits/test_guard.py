"""provisioner.limits.guard: a load that could hurt the host is not pushed."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.limits.guard import LOADAVG, MEMINFO, MOST_TASKS, Spare, read_spare, why_not_pushed
from provisioner.limits.limit import find_limits

MIB = 1 << 20
FILES = {
    MEMINFO: "MemTotal:        8056944 kB\nMemFree:          206340 kB\nMemAvailable:     512000 kB\n",
    LOADAVG: "0.52 0.58 0.59 3/900 12345\n",
    MOST_TASKS[0]: "4194304\n",
    MOST_TASKS[1]: "1900\n",
}


def test_what_a_host_has_to_spare_is_read_from_procfs() -> None:
    assert read_spare(lambda path: FILES[path]) == Spare(memory=500 * MIB, tasks=1000)


@pytest.mark.parametrize("missing", [*FILES, None])
def test_what_cannot_be_read_is_unknown(missing: Path | None) -> None:
    spare = read_spare(lambda path: "" if missing in (path, None) else FILES[path])

    assert (spare.memory is None) == (missing in (MEMINFO, None))
    assert (spare.tasks is None) == (missing in (LOADAVG, None))


@pytest.mark.parametrize(
    ("argv", "spare", "why"),
    [
        (("load", "memory", str(80 * MIB)), Spare(memory=144 * MIB), None),
        (("load", "memory", str(80 * MIB)), Spare(memory=144 * MIB - 1), "80 MiB could hurt the host, which has 143"),
        (("load", "swap", str(80 * MIB)), Spare(memory=MIB), "80 MiB could hurt"),
        (("load", "core", str(4 * MIB)), Spare(memory=MIB), "4 MiB could hurt"),
        (("load", "fill", "/dev/shm", str(9 * MIB)), Spare(memory=MIB), "9 MiB could hurt"),
        (("load", "memory", str(80 * MIB)), Spare(), None),
        (("load", "pids", "64"), Spare(memory=0, tasks=320), None),
        (("load", "pids", "65"), Spare(tasks=320), "65 tasks could hurt the host, which has 320 tasks to spare"),
        (("load", "pids", "65"), Spare(), None),
        (("load", "cpu", "4", "2000"), Spare(memory=0, tasks=0), None),
    ],
)
def test_a_load_leaves_the_host_enough(argv: tuple[str, ...], spare: Spare, why: str | None) -> None:
    found = why_not_pushed(argv, spare)

    assert found is None if why is None else why in str(found)


def test_the_loads_that_sandboxes_are_measured_with_fit_a_small_host() -> None:
    small = Spare(memory=256 * MIB, tasks=1000)

    for limit in find_limits():
        assert why_not_pushed(limit.load_argv(limit.number(limit.amount), 2), small) is None, limit.name
