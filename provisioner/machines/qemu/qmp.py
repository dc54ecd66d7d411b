"""A QMP client: controls a running QEMU over the socket in its machine's folder.

In: commands.  Out: their results, or an IsolationError.  QEMU serves one client at a time, so a client is opened, used
and closed under the machine's lock.  Protocol: docs/interop/qmp-spec.txt of QEMU.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from provisioner.errors import IsolationError

MAX_LINE = 1 << 20


class Qmp:
    """
    One QMP connection.

    Args:
        path: QEMU's socket.
        seconds: how long QEMU may take to answer the connection and each command.

    Raises:
        IsolationError: QEMU does not answer in time, or has ended.
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
        """Run one command and return its result; IsolationError if QEMU refuses it."""
        request = {"execute": command, "arguments": arguments} if arguments else {"execute": command}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise IsolationError(f"cannot ask QEMU for '{command}': {error}") from None
        while True:
            answer = self._read()
            if "error" in answer:
                raise IsolationError(f"cannot ask QEMU for '{command}': {answer['error'].get('desc', 'refused')}")
            if "return" in answer:  # otherwise it is an event
                return answer["return"]

    def monitor(self, line: str) -> str:
        """Run one line of the human monitor and return its text."""
        return str(self.execute("human-monitor-command", **{"command-line": line})).replace("\r", "")

    def quit(self) -> None:
        """End QEMU at once; it closes its files in order."""
        with contextlib.suppress(IsolationError):  # QEMU may end before it answers
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
            raise IsolationError("cannot ask QEMU: it has closed the connection")
        return answer


def _connect(path: Path) -> socket.socket:
    """Connect through the folder's descriptor: a socket's path may have at most 107 bytes (unix(7))."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
    except OSError as error:
        connection.close()
        raise IsolationError(f"cannot reach QEMU at '{path}': {error.strerror}") from None
    return connection
