"""A section of facts is one module and one field: a made-up one shows in all places (tests/made_up/)."""

from __future__ import annotations

from pathlib import Path

from made_up.made_up_session import HERE, run_pytest


def test_one_module_and_one_field_make_a_section(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "-p", "made_up_section", str(HERE / "clock_inside.py"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout, done.stdout
