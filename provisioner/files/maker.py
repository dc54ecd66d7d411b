"""Names temporary files and folders after the process that makes them.

In: this process.  Out: names such as `.tmp-1f0e9d3c-f0000000-3e8-2a7b1c-6f3a09d2` and the `Maker` that such a name, or
the environment of a child process, contains.  provisioner/journal/sweep.py deletes what dead makers left.

A pid alone does not identify a process: pids are reused, differ between pid namespaces (pid_namespaces(7)) and start
again at each boot.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from provisioner.errors import IsolationError
from provisioner.files.delete import delete_entry

HOME = "PYTEST_ISOLATION_HOME"  # as in paths.py, which imports this room
VARIABLE = "PYTEST_ISOLATION_MAKER"  # in the environment of child processes
PREFIX = ".tmp-"
os.environ.pop(VARIABLE, None)  # what this process starts is its own, not that of the process that started it
TEXT = re.compile(r"([0-9a-f]{8})-([0-9a-f]{1,8})-([0-9a-f]{1,8})-([0-9a-f]{1,16})")


@dataclass(frozen=True)
class Maker:
    """
    A process that makes temporary things.

    Args:
        boot: the first 8 hex digits of the boot id (random(4)).
        namespace: the inode of its pid namespace.
        pid: its pid in that namespace.
        start: its start time (proc_pid_stat(5), field 22: ticks since the boot).
    """

    boot: str
    namespace: int
    pid: int
    start: int

    def __str__(self) -> str:
        return f"{self.boot}-{self.namespace:x}-{self.pid:x}-{self.start:x}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the maker of a text, or None if the text is not one."""
        match = TEXT.fullmatch(text)
        return cls(match[1], int(match[2], 16), int(match[3], 16), int(match[4], 16)) if match else None


def this_process() -> Maker:
    """Return this process as a maker; a forked child is another one."""
    return _read_maker(os.getpid())


@cache
def _read_maker(pid: int) -> Maker:
    if sys.platform != "linux":  # macOS is a client, on which nothing is pruned
        return Maker("0" * 8, 0, pid, 0)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")[:8]
    fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return Maker(boot, os.stat("/proc/self/ns/pid").st_ino, pid, int(fields[19]))


def mark() -> dict[str, str]:
    """Return the variable by which a prune with the same home finds a child process that outlives this process."""
    return {VARIABLE: f"{this_process()} {os.environ.get(HOME, '')}"}


def marked_by(value: str) -> Maker | None:
    """Return the maker in a value of the variable, or None if it has another home than this process."""
    text, _, home = value.partition(" ")
    return Maker.parse(text) if home == os.environ.get(HOME, "") else None


def temporary_name() -> str:
    """Return a new name for a temporary file or folder of this process, 60 characters at most."""
    return f"{PREFIX}{this_process()}-{secrets.token_hex(4)}"


def maker_of(name: str) -> Maker | None:
    """Return the maker of a temporary file or folder, or None if the name is not temporary."""
    text, _, rest = name.removeprefix(PREFIX).rpartition("-")
    return Maker.parse(text) if name.startswith(PREFIX) and re.match(r"[0-9a-f]{8}(\.|$)", rest) else None


@contextlib.contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """
    Make a folder that only this user can use, and delete it when the block ends.

    A folder in which something is mounted stays: what is mounted there may be a folder of the host.
    """
    folder = parent / temporary_name()
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError, IsolationError):  # the next prune deletes it, or says what is mounted
            above = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                delete_entry(above, folder.name, folder)
            finally:
                os.close(above)
