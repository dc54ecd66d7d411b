"""Sets of capabilities are numbers that print as names."""

from __future__ import annotations

from provisioner.facts.capabilities import CapabilitySet
from provisioner.facts.status import Capabilities

SETS = Capabilities(inheritable=0, permitted=0x21, effective=0x21, bounding=(1 << 60) | 1, ambient=0)


def test_a_set_prints_its_names_in_the_kernels_order() -> None:
    assert str(SETS.effective) == repr(SETS.effective) == f"{SETS.effective}" == "{CHOWN, KILL}"
    assert str(SETS.bounding) == "{CHOWN, CAP_60}"
    assert str(SETS.ambient) == "{}"


def test_a_set_is_still_a_number() -> None:
    assert SETS.effective == 33
    assert f"{SETS.effective:#x}" == "0x21"
    assert SETS.model_dump_json().startswith('{"inheritable":0,"permitted":33,')


def test_a_set_knows_its_names() -> None:
    assert isinstance(SETS.effective, CapabilitySet)
    assert "CAP_KILL" in SETS.effective
    assert "kill" in SETS.effective
    assert "SYS_ADMIN" not in SETS.effective
    assert str(SETS.effective | 1 << 21) == "{CHOWN, KILL, SYS_ADMIN}"
    assert str(SETS.effective & 1) == "{CHOWN}"
