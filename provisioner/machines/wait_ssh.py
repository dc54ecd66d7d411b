"""Waits until a machine answers by SSH, and sets its clock after a restore.

In: an `SshAddress`.  Out: nothing, or an IsolationError.  Connections are few: QEMU's user-mode network accepts long
before the guest listens, and each short connection costs the guest a fork of sshd (a connection every 0.6 s delayed a
boot from 9 to 24 s).
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from provisioner.connection.address import SshAddress
from provisioner.errors import IsolationError
from provisioner.machines.openssh import render_ssh, write_known_hosts

PAUSE = 0.7  # seconds from one connection to the next at least
PATIENCE = 4.0  # seconds that one connection waits for the banner
BANNER = b"SSH-"
# the host sends the time after the guest's `ready`: logging in takes an emulated guest up to a second
SET_CLOCK = "echo ready; read -r now && date --set=@$now >/dev/null"


def await_banner(host: str, port: int, until: float, alive: Callable[[], bool]) -> bool:
    """
    Wait for the first bytes of an SSH server.

    Args:
        host: the server's address.
        port: the server's port.
        until: the time.monotonic() at which to give up.
        alive: tells whether the machine still runs.

    Returns:
        False if time is up or the machine has ended.
    """
    while time.monotonic() < until and alive():
        started = time.monotonic()
        if _read_banner(host, port, min(PATIENCE, until - started)):
            return True
        time.sleep(max(0.0, min(PAUSE - (time.monotonic() - started), until - time.monotonic())))
    return False


def set_clock(address: SshAddress, known_hosts: Path, seconds: float) -> None:
    """
    Set a restored guest's clock to the host's time.

    Args:
        address: the machine's address and keys.
        known_hosts: the file to write the host key to.
        seconds: how long this may take.

    Raises:
        IsolationError: ssh is not installed, or cannot log in in time.
    """
    write_known_hosts(address, known_hosts)
    argv = render_ssh(address, known_hosts, SET_CLOCK, seconds)
    pipe = subprocess.PIPE
    try:
        with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe) as ssh:
            try:
                ready = _read_line(ssh, seconds)
                _, stderr = ssh.communicate(b"%.3f\n" % time.time() if ready else None, timeout=seconds)
            finally:
                ssh.kill()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IsolationError(f"cannot set the clock of the machine: {error}", hint="install openssh-client") from None
    if ssh.returncode != 0:
        why = stderr.decode("utf-8", "replace").strip()[-300:]
        raise IsolationError(f"cannot set the clock of the machine: {why or f'exit status {ssh.returncode}'}")


def _read_line(ssh: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Read the first line of a process's output; a silent process is killed after `seconds`, which ends the read."""
    assert ssh.stdout is not None
    alarm = threading.Timer(seconds, ssh.kill)
    alarm.start()
    try:
        return ssh.stdout.readline()
    finally:
        alarm.cancel()


def _read_banner(host: str, port: int, patience: float) -> bool:
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), timeout=max(0.1, patience)) as connection,
    ):
        return connection.recv(len(BANNER)) == BANNER
    return False
