"""Runs commands and writes files on a machine, over one SSH connection that is opened when it is needed.

In: an SshAddress, argument lists.  Out: `Completed`, `Stream`s, files.  No terminal is used.  A lost connection is
opened again for the next command; a command is run again only if its caller allows it (`retry=True`).

Fabric opens and authenticates.  Its Connection.run is not used: it polls for output and for the end with pauses
(invoke's Runner.input_sleep), which costs about 9 ms a command; bench/ssh.py measures both.

sshd ends no command when a connection is lost: the command goes on until it reads or writes.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import fabric
import paramiko

from provisioner.connection.command_line import render_line
from provisioner.connection.local import (
    MAX_STDOUT,
    Check,
    CommandTimeout,
    Completed,
    ConnectionLost,
    Stream,
    wait_checking,
)
from provisioner.connection.login import log_in
from provisioner.connection.stream import RemoteStream, end_group, send_line
from provisioner.deadlines import deadline, slow_hint
from provisioner.errors import IsolationError

if TYPE_CHECKING:
    from provisioner.connection.address import SshAddress

TRIES = 3  # for a command that may be run again
PIECE = 1 << 18  # bytes of a file, each piece with its own deadline
BUSY = (0.02, 0.32)  # seconds until the next request for a session that sshd refused: first, and at most
OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")

FIND = """
case $1 in */*) [ -f "$1" ] && [ -x "$1" ] && printf %s "$1"; exit;; esac
IFS=:
for folder in $PATH; do
    [ -f "$folder/$1" ] && [ -x "$folder/$1" ] && printf %s "$folder/$1" && exit
done
exit 1
"""
# cat also ends when the connection is lost: only a complete file is moved into place
PUT = """
path=$1 fresh=$2 size=$3 mode=$4 owner=$5
trap '' PIPE
fail() { rm -f "$fresh"; [ -z "$1" ] || echo "$1" >&2; exit 1; }
[ ! -d "$path" ] || { echo "is a folder" >&2; exit 1; }
umask 077
set -C
cat >"$fresh" || fail
[ "$(wc -c <"$fresh")" -eq "$size" ] || fail "truncated"
[ -z "$owner" ] || chown "$owner" "$fresh" || fail
chmod "$mode" "$fresh" || fail
mv -f "$fresh" "$path" || fail
"""


class SshConnection:
    """
    Commands on a machine, as root; safe to use from many threads.

    A user other than root runs them by sudo(8), which must not ask for a password.

    Args:
        address: where the machine is, and the keys of both sides.
        name: its name, for errors.

    Example:
        >>> debian12 = SshConnection(machine.ssh(), "debian12")
        >>> debian12.run(["uname", "-r"], 10, retry=True).stdout
        b'6.1.0-28-cloud-amd64\\n'
        >>> debian12.put("/etc/motd", b"hello\\n", mode=0o644)
        >>> debian12.close()
    """

    def __init__(self, address: SshAddress, name: str) -> None:
        self.name = name
        self.address = address
        self._lock = threading.Lock()
        self._fabric: fabric.Connection | None = None

    def find(self, binary: str) -> str | None:
        done = self.run(["sh", "-c", FIND, "sh", binary], deadline("command"), retry=True)
        return done.stdout.decode("utf-8", "surrogateescape") or None if done.status == 0 else None

    def run(
        self,
        argv: Sequence[str],
        timeout: float,
        env: Mapping[str, str] | None = None,
        inside: bool = False,
        check: Check | None = None,
        retry: bool = False,
    ) -> Completed:
        """
        Run a command without input to its end.

        Args:
            argv: the program and its arguments.
            timeout: seconds; then the command's process group is killed.
            env: variables added to the session's.
            inside: makes no difference here: no command on a machine gets variables of this project.
            check: as in `Connection.run`.
            retry: whether it may run again after a lost connection: only if it changes nothing.

        Raises:
            IsolationError: it cannot be started or does not end in time, or the connection is lost before its end.
        """
        for left in reversed(range(TRIES if retry else 1)):
            try:
                return self._run(argv, timeout, env, check=check)
            except ConnectionLost:
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: str | None = None) -> Stream:
        stream = self._begin(argv, env, cwd, deadline("exec"))
        try:
            stream.await_begin(deadline("exec"))
        except BaseException:
            stream.kill()
            raise
        return stream

    def put(
        self, path: str, data: bytes, mode: int = 0o644, owner: str | None = None, timeout: float | None = None
    ) -> None:
        """
        Replace a file: readers see the old content or the new one.

        Args:
            path: absolute; a link there is replaced.
            data: the content.
            mode: the permission bits, whatever the umask.
            owner: "user" or "user:group"; None for root.
            timeout: seconds; None for a deadline that grows with the size.

        Raises:
            IsolationError: the file was not written; the old one is unchanged.
        """
        if not path.startswith("/") or path.endswith("/"):
            raise IsolationError(f"cannot write '{path}' on '{self.name}': not an absolute path of a file")
        if owner is not None and not OWNER.fullmatch(owner):
            raise IsolationError(f"cannot write '{path}' on '{self.name}': '{owner}' is not USER or USER:GROUP")
        fresh = f"{path}.{secrets.token_hex(4)}.new"
        seconds = deadline("command") * (1 + len(data) / (1 << 25)) if timeout is None else timeout
        argv = ["sh", "-c", PUT, "sh", path, fresh, str(len(data)), f"{mode:o}", owner or ""]
        try:
            done = self._run(argv, seconds, None, data)
        except ConnectionLost:
            raise ConnectionLost(f"cannot write '{path}' on '{self.name}': connection lost") from None
        except IsolationError:
            with contextlib.suppress(IsolationError):
                self._run(["rm", "-f", fresh], deadline("close"), None)
            raise
        if done.status:
            log = done.stderr.decode("utf-8", "backslashreplace")
            raise IsolationError(f"cannot write '{path}' on '{self.name}': {done.last_words}", log=log)

    def close(self) -> None:
        """Close the connection; a later command opens another.  Call it before a machine is restored or stopped."""
        with self._lock:
            self._drop()

    def _run(
        self,
        argv: Sequence[str],
        timeout: float,
        env: Mapping[str, str] | None,
        data: bytes = b"",
        check: Check | None = None,
    ) -> Completed:
        until = time.monotonic() + timeout
        stream = self._begin(argv, env, None, timeout)
        collected = bytearray()
        reader = threading.Thread(target=_collect, args=(stream, collected), daemon=True)
        reader.start()
        try:
            _feed(stream, data)
            status = wait_checking(stream, until - time.monotonic(), check)
            if status is None:
                raise CommandTimeout(
                    f"cannot run '{argv[0]}' on '{self.name}': no end after {timeout:.0f} s",
                    hint=slow_hint(),
                    log=" ".join(argv),
                )
            reader.join(5)  # a child that is left may hold the stream open
            errors = stream.errors()
            stream.check_begun()
            return Completed(tuple(argv), status, bytes(collected), errors)
        finally:
            stream.kill()

    def _begin(
        self, argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | None, seconds: float
    ) -> RemoteStream:
        line = render_line(argv, env, cwd, self.name, sudo=self.address.user != "root")
        channel = self._open_session(argv, time.monotonic() + seconds)
        try:
            send_line(channel, line)
        except (OSError, EOFError, paramiko.SSHException):
            channel.close()
            raise ConnectionLost(f"cannot run '{argv[0]}' on '{self.name}': connection lost") from None
        return RemoteStream(channel, argv, self.name, self._end_group)

    def _end_group(self, transport: Any, pid: int) -> None:
        """
        Kill a command's process group; over a new connection if this one gives no further session.

        Closing the command's channel frees no session: sshd holds it until its process ends.
        """
        if end_group(transport, pid):
            return
        with contextlib.suppress(IsolationError):
            spare = log_in(self.address, self.name)
            end_group(spare.transport, pid)
            spare.client.close()

    def _open_session(self, argv: Sequence[str], until: float) -> Any:
        """
        Return a new channel.

        No command has run yet, so a dead connection is replaced once.  A session that sshd refuses (it allows ten at a
        time unless MaxSessions is higher) is requested again until `until`.
        """
        renewed, pause = False, BUSY[0]
        while True:
            transport = self._transport()
            try:
                return transport.open_session(timeout=max(1.0, until - time.monotonic()))
            except (OSError, EOFError, paramiko.SSHException):
                if not transport.is_active():
                    if renewed:
                        raise ConnectionLost(f"cannot run '{argv[0]}' on '{self.name}': connection lost") from None
                    renewed = True
                elif time.monotonic() >= until:
                    raise IsolationError(
                        f"cannot run '{argv[0]}' on '{self.name}': it allows no further session",
                        hint="raise MaxSessions in its sshd_config (10 unless set)",
                    ) from None
                else:
                    time.sleep(pause)
                    pause = min(2 * pause, BUSY[1])

    def _transport(self) -> Any:
        with self._lock:
            if self._fabric is None or not self._fabric.is_connected:
                self._drop()
                self._fabric = log_in(self.address, self.name)
            return self._fabric.transport

    def _drop(self) -> None:
        if self._fabric is not None:
            self._fabric.client.close()  # Fabric's close() skips a connection that is lost
            self._fabric = None


def _feed(stream: RemoteStream, data: bytes) -> None:
    """Write all of a command's input; the status of a command that ends without reading it says why."""
    with contextlib.suppress(OSError):
        for at in range(0, len(data), PIECE):
            stream.write(data[at : at + PIECE])
    stream.end_input()


def _collect(stream: RemoteStream, into: bytearray) -> None:
    read: Callable[[], bytes] = stream.read
    for chunk in iter(read, b""):
        into += chunk[: max(0, MAX_STDOUT - len(into))]
