"""provisioner.sandboxes.loads: which load on the processors is repeated."""

from __future__ import annotations

import pytest

from provisioner.facts import limits as f
from provisioner.observed import unobserved
from provisioner.sandboxes.loads import _starved


def limits(throttled: int | None) -> f.CgroupFiles:
    group = f.CpuLimit.model_construct(nr_throttled=unobserved("gone") if throttled is None else throttled)
    return f.CgroupFiles.model_construct(version=1, cpu=group)


@pytest.mark.parametrize(
    ("used", "before", "after", "starved"),
    [
        (0.10, 0, 20, True),  # far below its quota of 0.25
        (0.24, 0, 20, False),
        (0.24, 3, 3, True),  # about the quota, by chance: the kernel never held it
        (0.24, 3, None, False),  # nobody can say
        (1.90, 3, 3, False),  # a quota that is not in force is no starving
    ],
)
def test_a_load_that_others_held_is_repeated(used: float, before: int, after: int | None, starved: bool) -> None:
    assert _starved(used, 0.25, limits(before), limits(after)) is starved


def test_without_a_view_from_outside_what_was_used_decides() -> None:
    assert _starved(0.1, 0.25, None, None)
    assert not _starved(0.24, 0.25, None, unobserved("its cgroup is gone"))
