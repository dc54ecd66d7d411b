"""Renders sh that writes a configuration file for the next boot; no other program writes that file.

In: a path and the lines of all roles.  Out: lines of sh that put the file in place by rename(2).
"""

from __future__ import annotations

from collections.abc import Sequence
from posixpath import dirname
from shlex import quote


def render_owned(path: str, lines: Sequence[str]) -> str:
    """Return sh that replaces the file by these lines; without lines the file is empty."""
    text = "".join(f"{line}\n" for line in lines)
    return (
        f"mkdir -p -- {quote(dirname(path))}\n"
        f"rm -f -- {quote(path + '.new')}\n"  # systemd reads only *.conf
        f"(umask 022; set -C; printf %s {quote(text)} >{quote(path + '.new')})\n"
        f"sync -- {quote(path + '.new')}\n"
        f"mv -fT -- {quote(path + '.new')} {quote(path)}"
    )
