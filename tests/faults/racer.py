"""A race: a process of another user swaps an entry for a symbolic link, again and again, while root works on it.

    with arena() as place:                                     # folders that the user nobody can reach
        place.theirs("report/facts")                           # made, and given to nobody
        with place.swapping("report/facts", place.ours):       # facts <-> a link to a folder of root
            assert race(naive, lost)                           # the naive way loses within the bound: the race is real
            assert not race(ours, lost, seconds=2)

The swap is renameat2(2) with RENAME_EXCHANGE: the entry always exists, as one thing or the other.  The racer ends by
itself after RACE seconds, or when its standard input closes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from provisioner.errors import IsolationError

NOBODY = 65534
RACE = 20.0  # seconds
SWAP = """
import ctypes, os, select, sys, time
folder, name, other, seconds, uid = sys.argv[1:]
os.chdir(folder)
libc = ctypes.CDLL(None, use_errno=True)
os.setgroups([])
os.setgid(int(uid))
os.setuid(int(uid))  # here, because nobody may be unable to execute this Python
one, two, until = name.encode(), other.encode(), time.monotonic() + float(seconds)
exchange = lambda: libc.renameat2(-100, one, -100, two, 2)
if exchange():
    sys.exit(os.strerror(ctypes.get_errno()))
print(flush=True)
while time.monotonic() < until and not select.select([0], [], [], 0)[0]:
    for _ in range(64):
        exchange()
    try:
        os.chdir(folder)  # root may have put another in its place
    except OSError:
        pass
"""


class Arena:
    """
    Folders for one race.

    Args:
        top: root's folder, which every user can search.

    Attributes:
        ours: a folder of root that no other user can write.
    """

    def __init__(self, top: Path) -> None:
        self.top = top
        self.ours = top / "ours"
        self.ours.mkdir(mode=0o755)

    def theirs(self, name: str) -> Path:
        """Make a folder with its parents below `top`, all of the user nobody."""
        path = self.top
        for part in Path(name).parts:
            path /= part
            path.mkdir(exist_ok=True)
            os.chown(path, NOBODY, NOBODY)
        return path

    def empty_ours(self) -> None:
        """Delete what a naive way has left in root's folder."""
        shutil.rmtree(self.ours)
        self.ours.mkdir(mode=0o755)

    @contextlib.contextmanager
    def swapping(self, name: str, target: Path) -> Iterator[None]:
        """
        Let nobody swap an entry for a link during a `with` block.

        Args:
            name: the entry below `top`, in a folder of nobody.
            target: what the link leads to.
        """
        path = self.top / name
        link = path.with_name(f"{path.name}.link")
        link.symlink_to(target)
        os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
        argv = [sys.executable, "-I", "-c", SWAP, str(path.parent), path.name, link.name, str(RACE), str(NOBODY)]
        racer = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert racer.stdout is not None
            assert racer.stdout.readline() == b"\n"
            yield
        finally:
            racer.communicate(timeout=30)
        assert racer.returncode == 0


@contextlib.contextmanager
def arena() -> Iterator[Arena]:
    """Make the folders of a race; /tmp/pytest-of-root is closed to other users."""
    top = Path(tempfile.mkdtemp(prefix="isolation-race-", dir="/tmp"))
    top.chmod(0o755)
    try:
        yield Arena(top)
    finally:
        shutil.rmtree(top)


def race(work: Callable[[], object], lost: Callable[[], bool], seconds: float = 8.0) -> int:
    """
    Repeat root's work until it has followed the link; an OSError or an IsolationError of it is a refusal.

    Args:
        work: what root does.
        lost: whether it went where the link leads.
        seconds: the bound.

    Returns:
        The number of tries until it was lost; 0 if it never was.
    """
    until, tries = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        tries += 1
        with contextlib.suppress(OSError, IsolationError):
            work()
        if lost():
            return tries
    return 0
