"""A command that runs on a machine, and its three streams: one session channel of an SSH connection.

In: an open channel and the argument list that it runs.  Out: a `Stream`.  The program's pid is the first line of
standard error (see command_line.py).  sshd ends no process when a channel without a terminal closes, and refuses the
protocol's "signal" request in sessions of root: `kill` runs `kill -KILL -PID` in a session of its own.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST

from provisioner.connection.child import MAX_STDERR
from provisioner.connection.command_line import Preamble
from provisioner.connection.local import ConnectionLost, last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError

PIECE = 1 << 16


def send_line(channel: Any, line: bytes) -> None:
    """Request that sshd runs a command line, without a reply: paramiko waits for a reply without a limit."""
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("exec")
    message.add_boolean(False)
    message.add_string(line)
    channel.transport._send_user_message(message)


def end_group(transport: Any, pid: int) -> bool:
    """Kill a process group in a session of its own; False if there is no session or it does not end."""
    line = f"kill -s KILL -- -{pid} 2>/dev/null||sudo -n kill -s KILL -- -{pid}"
    try:
        session = transport.open_session(timeout=deadline("close"))
    except (OSError, EOFError, paramiko.SSHException):
        return False
    with contextlib.closing(session), contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        send_line(session, line.encode())
        session.shutdown_write()
        return bool(session.status_event.wait(deadline("close")))
    return False


class RemoteStream:
    """A running command on a machine."""

    def __init__(self, channel: Any, argv: Sequence[str], name: str, end_group: Callable[[Any, int], None]) -> None:
        """
        Read the streams of a command from now on.

        Args:
            channel: an open channel that was sent the command's line.
            argv: the program and its arguments.
            name: the machine's name, for errors.
            end_group: kills the process group of a pid over the channel's transport; it must not raise.
        """
        self.pid = 0  # on the machine; 0 until the program runs
        self._channel = channel
        self._program = argv[0]
        self._where = name
        self._end_group = end_group
        self._preamble = Preamble()
        self._begun = threading.Event()
        self._errors = bytearray()
        self._closing = threading.Lock()
        self._killed = False
        channel.settimeout(deadline("write"))
        self._error_reader = threading.Thread(target=self._read_errors, daemon=True)
        self._error_reader.start()

    def await_begin(self, seconds: float) -> None:
        """Wait until the program runs; IsolationError if it does not within `seconds`."""
        if not self._begun.wait(seconds):
            raise self._error(f"no answer after {seconds:.0f} s")
        self.check_begun()

    def check_begun(self) -> None:
        """Raise IsolationError if the program did not start; call it when its pid or the end of its streams arrived."""
        answer = self._preamble.answer
        if answer == "absent":
            raise self._error("no such program on PATH", hint=f"install {self._program} there")
        if answer == "folder":
            raise self._error("no such folder to start in")
        if answer is None:
            self.wait(deadline("close"))  # raises if the connection is lost
            why = last_line(bytes(self._errors)) or "its login shell is not a POSIX shell"
            raise self._error(why)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        until = time.monotonic() + deadline("write")
        while view:
            try:
                view = view[self._channel.send(view[:PIECE]) :]
            except TimeoutError:
                if time.monotonic() >= until:
                    raise TimeoutError("the other end does not read") from None
            except (paramiko.SSHException, EOFError) as error:
                raise BrokenPipeError(str(error)) from None

    def read(self) -> bytes:
        while True:
            try:
                return bytes(self._channel.recv(PIECE))
            except TimeoutError:
                continue

    def end_input(self) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.shutdown_write()

    def errors(self) -> bytes:
        if self._channel.status_event.is_set():
            self._error_reader.join(0.5)
        return bytes(self._errors)

    def wait(self, seconds: float) -> int | None:
        """Like Stream.wait; ConnectionLost if the connection was lost before the status arrived."""
        if not self._channel.status_event.wait(max(0.0, seconds)):
            return None
        status: int = self._channel.exit_status
        if status != -1 or getattr(self._channel, "isolation_signalled", False):
            return status
        if self._killed:
            return -signal.SIGKILL
        raise ConnectionLost(
            f"cannot run '{self._program}' on '{self._where}': connection lost",
            hint="what it did until then stays; the next command connects again",
        )

    def kill(self) -> None:
        with self._closing:
            if not self._killed and not self._channel.status_event.is_set():
                self._killed = True
                self._begun.wait(deadline("close"))
                if self.pid and self._channel.transport.is_active():
                    self._end_group(self._channel.transport, self.pid)
                    self._channel.status_event.wait(deadline("close"))
            self._killed = True
            self._channel.close()

    def _read_errors(self) -> None:
        while True:
            try:
                chunk = self._channel.recv_stderr(PIECE)
            except TimeoutError:
                continue
            self._keep(self._preamble.feed(chunk) if chunk else self._preamble.end())
            if not chunk or self._preamble.answer is not None:
                self.pid = self._preamble.pid
                self._begun.set()
            if not chunk:
                return

    def _keep(self, chunk: bytes) -> None:
        self._errors += chunk[: max(0, MAX_STDERR - len(self._errors))]

    def _error(self, why: str, hint: str = "") -> IsolationError:
        log = bytes(self._errors).decode("utf-8", "backslashreplace")[-4000:]
        return IsolationError(f"cannot run '{self._program}' on '{self._where}': {why}", hint=hint, log=log)
