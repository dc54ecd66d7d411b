"""Things outside that must be out of reach and must not change, made for one run on this machine.

In: a Run (journal) and its folder.  Out: `Canaries`: their names for the probe, and which of them moved.
Called by host.py.  A shared memory segment (svipc(7)), a message queue (mq_overview(7)), an abstract socket (unix(7)),
a file, and besides what is only looked at: the host's name and sysctls.  Each stands in the journal before it is made.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.linux.ipc import delete_mqueue, delete_segment, make_mqueue, make_segment, read_mqueue, read_segment

SYSCTLS = ("kernel/core_pattern", "kernel/panic", "net/ipv4/ip_forward")
TRIES = 16


class Canaries:
    """
    The canaries of one run.  Close them.

    Attributes:
        key, name: of the segment, and of the queue and the listener, as the probe is told them.
    """

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self.name = f"isolation-{run.id}-{secrets.token_hex(4)}"
        self._text = f"canary {self.name}\n".encode()
        self._undo = contextlib.ExitStack()
        try:
            self.key = self._make_segment()
            self._make_queue()
            self._listener = self._undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            self._listener.setblocking(False)
            self._listener.bind(f"\0{self.name}")
            self._listener.listen(16)
            self._file = folder / "canary"  # goes with the run's folder
            self._file.write_bytes(self._text)
            self._before = self._look()
        except BaseException as error:
            self._undo.close()
            if isinstance(error, OSError):
                raise IsolationError(f"cannot make the canaries: {error.strerror}") from None
            raise

    @property
    def told(self) -> str:
        """What the probe inside is told, `objects=`'s value."""
        return f"{self.key}:{self.name}"

    def moved(self) -> list[str]:
        """Return one line for each that is not as it was."""
        now = self._look()
        return [
            f"{what} was {self._before[what]!r} and is {now.get(what)!r}"
            for what in self._before
            if now.get(what) != self._before[what]
        ]

    def close(self) -> None:
        """Take them away."""
        self._undo.close()

    def _make_segment(self) -> int:
        for number in range(TRIES):
            digest = hashlib.sha256(f"{self._run.id} {number}".encode()).digest()
            key = int.from_bytes(digest[:4], "big") >> 1 or 1
            record = self._run.made("shm", str(key))
            try:
                make_segment(key, self._text)
            except FileExistsError:
                self._run.gone(record)  # somebody else's
                continue
            self._undo.callback(self._run.gone, record)
            self._undo.callback(delete_segment, key)
            return key
        raise IsolationError(f"cannot make a segment: {TRIES} keys are taken")

    def _make_queue(self) -> None:
        record = self._run.made("mqueue", self.name)
        make_mqueue(self.name)
        self._undo.callback(self._run.gone, record)
        self._undo.callback(delete_mqueue, self.name)

    def _look(self) -> dict[str, str]:
        """Read them all; what cannot be read is told by its error."""
        found = {
            f"the canary segment {self.key}": _told(lambda: read_segment(self.key, len(self._text))),
            f"the canary queue {self.name}": _told(lambda: read_mqueue(self.name)),
            f"the canary file {self._file}": _told(self._read_file),
            "the host's name": os.uname().nodename,
        }
        for name in SYSCTLS:
            found[f"sysctl {name.replace('/', '.')}"] = _told((Path("/proc/sys") / name).read_text)
        return found

    def _read_file(self) -> str:
        status = self._file.stat()
        return f"{self._file.read_text()} mode {status.st_mode:o} of {status.st_uid}:{status.st_gid}"


def _told(read: object) -> str:
    assert callable(read)
    try:
        return str(read()).strip()
    except OSError as error:
        return f"({error.strerror})"
