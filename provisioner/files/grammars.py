"""Writes a text, mostly a path, in the grammar of another program: one function for each grammar.

In: any text.  Out: the text as that program must get it.  IsolationError where its grammar cannot say the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath

from provisioner.errors import IsolationError

ELSEWHERE = "set PYTEST_ISOLATION_HOME to a plain path"


def qemu(value: str | PurePath) -> str:
    """Return the value of an option in a list of QEMU (-drive, -chardev): a comma is doubled (qemu(1), -drive)."""
    return str(value).replace(",", ",,")


def csv(field: str) -> str:
    """Return a field of a line of CSV, as in --mount of docker and podman (encoding/csv of Go, RFC 4180)."""
    quoted = field.replace('"', '""')
    return f'"{quoted}"' if any(sign in field for sign in ',"\r\n') or field[:1].isspace() else field


def fstab(field: str | PurePath) -> str:
    """Return a field of a line of fstab(5): space, tab, newline, backslash and # in octal (getmntent(3))."""
    return "".join(f"\\{ord(sign):03o}" if sign in " \t\n\\#" else sign for sign in str(field))


def nspawn(path: str | PurePath) -> str:
    """Return a path of --bind= in systemd-nspawn(1): a colon is escaped, and the backslash that escapes it."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def lxc_overlay(path: str | PurePath) -> str:
    """
    Return a folder of lxc.rootfs.path=overlay:LOWER:UPPER (lxc.container.conf(5)).

    LXC hands both to mount(2) as they are, and makes folders of the same names: overlayfs's escapes would count for one
    of the two only.

    Raises:
        IsolationError: it has a sign that overlayfs's options need for themselves.
    """
    if taken := sorted(set(str(path)) & set(",:\\")):
        raise IsolationError(f"cannot name '{path}' in an overlay of LXC: it contains {' '.join(taken)}", ELSEWHERE)
    return str(path)


def podman_folder(path: str | PurePath) -> str:
    """
    Return a folder of podman's storage: overlayfs's options and conmon's arguments are made of it, without escapes.

    Raises:
        IsolationError: it has a sign that they need for themselves, or one that is not ASCII: conmon ends at once.
    """
    if taken := sorted({sign for sign in str(path) if sign in ",:\\" or sign.isspace() or not sign.isascii()}):
        raise IsolationError(f"cannot keep podman's storage in '{path}': it contains '{''.join(taken)}'", ELSEWHERE)
    return str(path)


def docker_folder(path: str | PurePath) -> str:
    """
    Return a folder of a docker daemon: its socket's path is a part of a URL, and its database is opened by a list.

    Raises:
        IsolationError: it has another sign than a URL takes as it is (RFC 3986, 2.3).
    """
    if taken := sorted(set(re.sub(r"[A-Za-z0-9._~/-]", "", str(path)))):
        raise IsolationError(f"cannot run docker's daemon in '{path}': it contains '{''.join(taken)}'", ELSEWHERE)
    return str(path)


def ssh(path: str | PurePath) -> str:
    """
    Return a path as a quoted value of ssh_config(5), in which % begins a token.

    Raises:
        IsolationError: it names an environment variable, ${X}: nothing escapes that.
    """
    text = str(path)
    if "${" in text:
        raise IsolationError(f"cannot name '{path}' for ssh: it contains ${{", ELSEWHERE)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


# of the templates in roles
FILTERS: dict[str, Callable[[str], str]] = {
    "qemu": qemu,
    "csv": csv,
    "fstab": fstab,
    "nspawn": nspawn,
    "lxc_overlay": lxc_overlay,
    "podman_folder": podman_folder,
    "docker_folder": docker_folder,
}
