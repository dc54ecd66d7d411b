"""A program at each moment of a run, and a fault there: what is promised after it holds."""

from __future__ import annotations

import pytest

from faults.case import Case, needs_root, run_case
from faults.table import CASES


@needs_root
@pytest.mark.parametrize("case", [case.parameter() for case in CASES])
def test_what_is_promised_after_a_fault_holds(case: Case) -> None:
    assert "\n".join(run_case(case)) == ""
