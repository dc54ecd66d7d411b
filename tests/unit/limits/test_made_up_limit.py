"""A limit is one module: a made-up one from a single file shows in all places (tests/made_up/)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
FOLDERS = (TESTS / "made_up", TESTS / "weaknesses", TESTS)


def test_one_module_and_one_check_make_a_limit(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    argv += ["-q", "-p", "made_up_path", str(TESTS / "made_up" / "forks_inside.py")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment = kept | {"PYTHONPATH": os.pathsep.join([*map(str, FOLDERS), kept.get("PYTHONPATH", "")])}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout, done.stdout
