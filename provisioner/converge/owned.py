"""Writes a small file that is wholly ours: the lines of several roles, kept for the next boot.

In: a path and lines.  Out: lines of sh that put it in place by rename(2).  Called by resources/module.py and sysctl.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from posixpath import dirname
from shlex import quote


def render_owned(path: str, lines: Sequence[str]) -> str:
    """Return sh that makes the file hold these lines and nothing else; no lines: an empty file."""
    text = "".join(f"{line}\n" for line in lines)
    return (
        f"mkdir -p -- {quote(dirname(path))}\n"
        f"rm -f -- {quote(path + '.new')}\n"  # systemd reads *.conf only
        f"(umask 022; set -C; printf %s {quote(text)} >{quote(path + '.new')})\n"
        f"sync -- {quote(path + '.new')}\n"
        f"mv -fT -- {quote(path + '.new')} {quote(path)}"
    )
