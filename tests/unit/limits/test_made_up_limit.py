"""A limit is one module: a made-up one from a single file shows in all places (tests/made_up/)."""

from __future__ import annotations

from pathlib import Path

from made_up.made_up_session import HERE, run_pytest


def test_one_module_and_one_check_make_a_limit(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "-p", "made_up_path", str(HERE / "forks_inside.py"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout, done.stdout
