"""Makes objects of a host that no sandbox may reach or change, and tells which of them changed.

In: a host's files, a Run, the channel to the host's probe.  Out: `Canaries`.  The probe makes a shared memory segment
(svipc(7)), a message queue (mq_overview(7)), an abstract socket (unix(7)) and a file.  The host's name and some sysctls
are only watched.  The journal has an entry before anything is made.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
from pathlib import Path
from typing import Protocol

from provisioner.connection.local import last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.probe.channel import Channel
from provisioner.probe.frames import ChannelError
from provisioner.probe.request import Pending

HOLD = 40 * 86400.0  # seconds: longer than a run; a request's deadline is at most 2**32 ms
TAKEN = "exit 75"  # EX_TEMPFAIL: another segment has the key
TRIES = 16
NO_FILE = "-"


class Watched(Protocol):
    """The part of `HostFiles` that canaries need."""

    @property
    def watched(self) -> tuple[str, ...]: ...

    def read(self, path: Path) -> bytes: ...

    def made_canaries(self, run: Run, probe: Path, key: int, name: str) -> UndoEntry: ...


def key_of(name: str, number: int) -> int:
    """
    Return the key of a segment.

    It differs by host: a machine is both a target, which must not find the segment of the host that it runs on, and the
    host of containers, with a segment of its own.

    Args:
        name: the name of the host's canaries.
        number: how many keys were taken.
    """
    digest = hashlib.sha256(f"{name} {number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1 or 1


class Canaries:
    """
    The canaries of one run on one host.  Close them.

    Args:
        files: the host's files.
        run: the journal.
        channel: to the host's probe.
        probe: the probe's path on the host.
        folder: the run's folder on the host; the canary file is deleted with it.  None: no file is made.

    Attributes:
        key: the segment's key.
        name: the name of the queue and of the socket.
        file: the path of the file on the host.

    Raises:
        IsolationError: the host cannot make one.
    """

    def __init__(self, files: Watched, run: Run, channel: Channel, probe: Path, folder: Path | None) -> None:
        self._files, self._run, self._channel = files, run, channel
        token = secrets.token_hex(4)
        self.name = f"isolation-{run.id}-{token}"
        self.file = Path(NO_FILE) if folder is None else folder / f"canary-{token}"
        self._hold(probe)
        self._before = self._look_at_objects() | self._look_at_settings()

    @property
    def words(self) -> str:
        """The value of `objects=`, by which the probe in a sandbox gets their names."""
        return f"{self.key}:{self.name}"

    def moved(self) -> list[str]:
        """
        Return one line for each that changed.

        If the host's probe does not answer any more, one line says so: what cannot be told is no "unchanged".
        """
        now, lost = self._look_at_settings(), []
        try:
            now |= self._look_at_objects()
        except ChannelError as error:
            lost = [f"the canaries cannot be read: {error.what}"]
        changed = [what for what, state in now.items() if state != self._before[what]]
        return [*(f"{what} was {self._before[what]!r} and is {now[what]!r}" for what in changed), *lost]

    def close(self) -> None:
        """Delete them; what cannot be deleted now stays in the journal."""
        with contextlib.suppress(ChannelError):  # the next prune deletes them
            self._channel.cancel(self._held)
            if self._ask("delete", str(self.key), self.name)[0] == "exit 0":
                self._run.gone(self._entry)

    def _hold(self, probe: Path) -> None:
        """Start the request that makes them, with a key that no other segment has; the socket lives as long as it."""
        for number in range(TRIES):
            self.key = key_of(self.name, number)
            self._entry = self._files.made_canaries(self._run, probe, self.key, self.name)
            argv = ("canaries", "hold", str(self.key), self.name, str(self.file))
            self._held: Pending = self._channel.start(*argv, deadline=HOLD)
            self._held.until = time.monotonic() + deadline("request")  # how long to wait for its first line
            reply = self._channel.wait(self._held, until=lambda held: held.data.endswith(b"\n"))
            if reply.ended == "running":
                return
            if reply.ended != TAKEN:
                self.close()
                raise IsolationError(f"cannot make the canaries: {last_line(reply.log) or reply.ended}")
            self._run.gone(self._entry)
        raise IsolationError(f"cannot make the canaries: {TRIES} keys of shared memory are taken")

    def _look_at_objects(self) -> dict[str, str]:
        """Return the state of each object that the probe made; if it cannot be read, its error."""
        ended, data = self._ask("look", str(self.key), self.name, str(self.file))
        if ended != "exit 0":
            raise ChannelError(f"cannot look at the canaries: {ended}")
        state = json.loads(data)
        return {
            f"the canary segment {self.key}": str(state["segment"]),
            f"the canary queue {self.name}": str(state["queue"]),
            f"the canary file {self.file}": str(state["file"]),
        }

    def _look_at_settings(self) -> dict[str, str]:
        """Return the host's name and the sysctls that are watched; this needs no probe."""
        settings = {"the host's name": self._read("kernel/hostname")}
        return settings | {f"sysctl {name.replace('/', '.')}": self._read(name) for name in self._files.watched}

    def _ask(self, *words: str) -> tuple[str, bytes]:
        reply = self._channel.request("canaries", *words, deadline=deadline("request"))
        return reply.ended, reply.data

    def _read(self, sysctl: str) -> str:
        try:
            return self._files.read(Path("/proc/sys") / sysctl).decode("utf-8", "backslashreplace").strip()
        except IsolationError as error:
            return f"({error.what})"
