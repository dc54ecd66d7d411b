"""Speaks QMP to a running QEMU over the socket in its machine's folder.

In: commands.  Out: what they return, or one IsolationError.  Called by qemu.py.  QEMU serves one client at a time, so a
client is opened, used and closed under the machine's lock.  Interop: docs/interop/qmp-spec.txt of QEMU.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from provisioner.errors import IsolationError

POLL = 0.02  # seconds
MAX_LINE = 1 << 20


class Qmp:
    """
    One session with a QEMU.

    Args:
        path: its socket.
        seconds: until it must answer, for the connection and for each command.
        alive: tells whether QEMU still runs, so that a socket that never comes is not waited for.

    Raises:
        IsolationError: it does not answer in time, or has ended.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self._seconds = seconds
        self._socket = _connect(path)
        self._socket.settimeout(seconds)
        self._lines = self._socket.makefile("rb")
        try:
            self._read()  # the greeting
            self.execute("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def execute(self, command: str, **arguments: object) -> Any:
        """Run one command and return what it returns; IsolationError when QEMU refuses it."""
        request = {"execute": command, "arguments": arguments} if arguments else {"execute": command}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise IsolationError(f"cannot ask QEMU for '{command}': {error}") from None
        while True:
            answer = self._read()
            if "error" in answer:
                raise IsolationError(f"cannot ask QEMU for '{command}': {answer['error'].get('desc', 'refused')}")
            if "return" in answer:  # else an event
                return answer["return"]

    def monitor(self, line: str) -> str:
        """Run one line of the human monitor and return its text."""
        return str(self.execute("human-monitor-command", **{"command-line": line})).replace("\r", "")

    def quit(self) -> None:
        """Tell QEMU to end at once; its files are closed in order."""
        with contextlib.suppress(IsolationError):  # it may be gone before it has answered
            self.execute("quit")

    def close(self) -> None:
        """Close the connection; safe to repeat."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> dict[str, Any]:
        try:
            line = self._lines.readline(MAX_LINE)
            answer = json.loads(line) if line else None
        except TimeoutError:
            raise IsolationError(f"cannot ask QEMU: no answer after {self._seconds:.0f} s") from None
        except (OSError, ValueError) as error:
            raise IsolationError(f"cannot ask QEMU: {error}") from None
        if not isinstance(answer, dict):
            raise IsolationError("cannot ask QEMU: it has ended")
        return answer


def await_socket(path: Path, seconds: float) -> bool:
    """Wait until QEMU has bound its socket; False when it has not in that time."""
    until = time.monotonic() + seconds
    while not path.is_socket():
        if time.monotonic() > until:
            return False
        time.sleep(POLL)
    return True


def _connect(path: Path) -> socket.socket:
    """Connect through the folder's descriptor: a socket's path has at most 107 bytes (unix(7)), a folder's more."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            made.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
    except OSError as error:
        made.close()
        raise IsolationError(f"cannot reach QEMU at '{path}': {error.strerror}") from None
    return made
