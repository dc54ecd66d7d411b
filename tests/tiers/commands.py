"""What the environments of tox.ini run, as tox itself resolves it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def commands() -> dict[str, list[str]]:
    """Return the commands of every environment, those that are not in env_list too."""
    argv = [sys.executable, "-m", "tox", "config", "-e", "ALL", "-k", "commands", "--format", "json"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(done.stdout)["env"]
    return {name: one["commands"] for name, one in found.items() if "commands" in one}


def named_tests(commands: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the tests that each environment names: files and folders below tests/."""
    words = {name: " ".join(lines).split() for name, lines in commands.items()}
    return {name: [word for word in found if _is_test(word)] for name, found in words.items()}


def _is_test(word: str) -> bool:
    path = Path(word)
    return path.parts[:1] == ("tests",) and (path.suffix == "" or path.name.startswith("test_"))
