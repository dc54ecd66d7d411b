"""What git says of this checkout: the number of commits, and what changed since the last landed state."""

from __future__ import annotations

import os
import subprocess

MAIN = ("origin/main", "origin/master")
LAST = 5  # commits that count as changed where HEAD is the landed state itself


def commits() -> int:
    """Return the number of commits up to HEAD; 0 without a repository."""
    return int(_git("rev-list", "--count", "HEAD") or 0)


def base() -> str:
    """
    Return the commit that changes are counted from.

    It is TIERS_BASE where that is set. On a branch it is the commit where it left origin's main branch. On a clone of
    the main branch nothing says what was pushed last: there it is the last few commits.
    """
    if named := os.environ.get("TIERS_BASE"):
        return named
    head = _git("rev-parse", "HEAD")
    for branch in MAIN:
        found = _git("merge-base", "HEAD", branch)
        if found and found != head:
            return found
    return _git("rev-parse", "--verify", f"HEAD~{min(LAST, max(commits() - 1, 0))}") or head


def changed() -> list[str]:
    """Return the paths that differ from the base, in commits or in the working tree."""
    found = base()
    differ = _git("diff", "--name-only", found).splitlines() if found else []
    return [*differ, *_git("ls-files", "--others", "--exclude-standard").splitlines()]


def _git(*argv: str) -> str:
    try:
        done = subprocess.run(["git", *argv], capture_output=True, text=True, timeout=60)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
