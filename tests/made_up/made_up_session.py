"""Runs tests in a process of their own that has made-up modules on its path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDERS = (HERE, HERE.with_name("weaknesses"), HERE.parent)


def run_pytest(folder: Path, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """
    Run pytest without this project's configuration.

    Args:
        folder: its root.
        args: its arguments.
        environment: further variables.
    """
    argv = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", str(folder), "-p", "no:cacheprovider"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    path = os.pathsep.join([*map(str, FOLDERS), *kept.get("PYTHONPATH", "").split(os.pathsep)])
    return subprocess.run(
        [*argv, *args],
        env=kept | {"PYTHONPATH": path.rstrip(os.pathsep)} | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
