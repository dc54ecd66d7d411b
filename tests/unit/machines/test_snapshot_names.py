"""Names of snapshots."""

from __future__ import annotations

import pytest

from provisioner.errors import IsolationError
from provisioner.machines.snapshots import check_snapshot_name, snapshot_name


def test_equal_contents_have_one_name() -> None:
    assert snapshot_name("a", "b", "c") == snapshot_name("a", "b", "c")


def test_the_parts_of_a_name_are_separated() -> None:
    assert snapshot_name("a", "b", "c") != snapshot_name("ab", "", "c")


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "a" * 65, "a\n"])
def test_an_unsafe_name_is_refused(name: str) -> None:
    with pytest.raises(IsolationError, match="cannot name a snapshot"):
        check_snapshot_name(name)
