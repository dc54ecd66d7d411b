"""The command `isolation`, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def isolation(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command `isolation`; return how it ended and what it wrote."""
    return subprocess.run([sys.executable, "-m", "pytest_isolation", *map(str, args)], capture_output=True, text=True)
