"""Opens one authenticated SSH connection: the machine's own host key, our own private key, and nothing else.

In: an SshAddress.  Out: an open fabric.Connection whose socket has TCP_NODELAY (Nagle's algorithm holds a small packet
back until the last one is acknowledged: up to 40 ms a command), and lies in the machine's network namespace.
Called by ssh.py.  Reads no ~/.ssh, no SSH or Fabric configuration, no agent; trusts no host key that it was not given;
starts no process.  Fabric accepts any host key by itself: its client's policy is replaced before it opens.
"""

from __future__ import annotations

import base64
import binascii
import ctypes
import hashlib
import logging
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import fabric
import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST

from provisioner.connection.local import ConnectionLost
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.progress import step

if TYPE_CHECKING:
    from provisioner.connection.address import SshAddress

TRIES = 3
PAUSE = 0.7  # seconds between tries; each one costs a booting guest a fork of sshd
KEEPALIVE = 15  # seconds
SILENCE = 60.0  # seconds without an acknowledgement after which the other end is gone (TCP_USER_TIMEOUT, tcp(7))
UNKNOWN_SIGNAL = -255  # ended by a signal that RFC 4254 6.10 has no name for
CLONE_NEWNET = 0x40000000
LOG = "provisioner.connection.ssh"

logging.getLogger(LOG).addHandler(logging.NullHandler())  # else paramiko's errors reach the terminal beside ours


class _Transport(paramiko.Transport):  # type: ignore[misc]  # paramiko has no types
    """Paramiko's, which otherwise forgets by which signal a command ended."""

    def _take_request(channel: Any, message: Any) -> None:  # called with the channel alone
        body = message.asbytes()
        copy = paramiko.Message(body[message.packet.tell() :])
        if copy.get_text() == "exit-signal":
            copy.get_boolean()
            number = getattr(signal, f"SIG{copy.get_text()}", None)
            channel.exit_status = -int(number) if number else UNKNOWN_SIGNAL
            channel.isolation_signalled = True
            channel.status_event.set()
            return
        paramiko.Channel._handle_request(channel, message)

    _channel_handler_table = {  # noqa: RUF012  # as paramiko has it
        **paramiko.Transport._channel_handler_table,
        MSG_CHANNEL_REQUEST: _take_request,
    }


def log_in(address: SshAddress, name: str) -> fabric.Connection:
    """
    Open a connection; a machine that is still booting is tried again, a few times, within one deadline.

    Raises:
        IsolationError: another host key than the given one, our key refused (both at once), or nobody answers.
    """
    key_type, key = parse_host_key(address.host_key, name)
    private = _load_private_key(address, name)
    until = time.monotonic() + deadline("connect")
    with step(f"connect to {name}"):
        for left in reversed(range(TRIES)):
            try:
                return _try(address, name, private, paramiko.PKey.from_type_string(key_type, key), until)
            except (OSError, EOFError, paramiko.SSHException) as error:
                if left == 0 or time.monotonic() + PAUSE >= until:
                    raise _unreachable(address, name, error) from None
            time.sleep(PAUSE)
    raise AssertionError("the last try returns or raises")


def _try(address: SshAddress, name: str, private: Any, host_key: Any, until: float) -> fabric.Connection:
    seconds = max(1.0, until - time.monotonic())
    endpoint = open_socket(address, name, seconds)
    connection = _prepare(address, private, endpoint, seconds)
    known = address.host if address.port == 22 else f"[{address.host}]:{address.port}"
    connection.client.get_host_keys().add(known, host_key.get_name(), host_key)
    opened = False
    try:
        connection.open()
        connection.transport.set_keepalive(KEEPALIVE)
        opened = True
        return connection
    except paramiko.BadHostKeyException as error:
        raise wrong_host_key(name, error.key.asbytes(), error.expected_key.asbytes()) from None
    except paramiko.AuthenticationException as error:
        raise IsolationError(
            f"cannot log in to '{name}' as '{address.user}': key {private.fingerprint} was refused",
            hint=f"add {address.private_key}'s public key to its authorized_keys",
            log=str(error),
        ) from None
    finally:
        if not opened:
            connection.client.close()
            endpoint.close()


def _prepare(address: SshAddress, private: Any, endpoint: socket.socket, seconds: float) -> fabric.Connection:
    """Build what opens nothing yet: a config that reads no file, and a client that knows no host."""
    connection = fabric.Connection(
        address.host,
        user=address.user,
        port=address.port,
        config=fabric.Config(lazy=True, ssh_config=paramiko.SSHConfig()),
        gateway=False,
        forward_agent=False,
        connect_kwargs={
            "sock": endpoint,
            "pkey": private,
            "look_for_keys": False,
            "allow_agent": False,
            "timeout": seconds,
            "banner_timeout": seconds,
            "auth_timeout": seconds,
            "channel_timeout": seconds,
            "transport_factory": _Transport,
        },
    )
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    connection.client.set_log_channel(LOG)
    return connection


def open_socket(address: SshAddress, name: str, seconds: float) -> socket.socket:
    """Connect to a machine, inside its network namespace where it has one."""
    if address.netns is None:
        endpoint = socket.create_connection((address.host, address.port), seconds)
    else:
        try:
            file = os.open(address.netns, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise IsolationError(
                f"cannot reach '{name}': its network namespace '{address.netns}': {error.strerror}",
                hint=f"provisioner up {name}",
            ) from None
        try:
            # setns(2) moves one thread: this one ends with the block, the socket stays where it was made
            with ThreadPoolExecutor(1, thread_name_prefix="isolation-netns") as thread:
                endpoint = thread.submit(_connect_within, file, (address.host, address.port), seconds, name).result()
        finally:
            os.close(file)
    endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENCE * 1000))
    return endpoint


def _connect_within(netns: int, endpoint: tuple[str, int], seconds: float, name: str) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns is Python 3.12's
    if libc.setns(netns, CLONE_NEWNET):
        raise IsolationError(
            f"cannot reach '{name}': entering its network namespace: {os.strerror(ctypes.get_errno())}",
            hint="run as root: setns(2) needs CAP_SYS_ADMIN",
        )
    return socket.create_connection(endpoint, seconds)


def parse_host_key(line: str, name: str) -> tuple[str, bytes]:
    """Return type and bytes of a public key line, "ssh-ed25519 AAAA…"."""
    words = line.split()
    try:
        key = base64.b64decode(words[1], validate=True)
        said = _parts(key)[0].decode()
        if said != words[0]:
            raise ValueError(f"it says {said}")
        paramiko.PKey.from_type_string(said, key)
    except (IndexError, ValueError, binascii.Error, paramiko.SSHException):
        raise IsolationError(
            f"cannot read the host key of '{name}': '{line[:40]}' is no public key", hint="build its box anew"
        ) from None
    except paramiko.pkey.UnknownKeyType:
        raise IsolationError(f"cannot read the host key of '{name}': its type '{words[0]}' is not known") from None
    return said, key


def _parts(key: bytes) -> list[bytes]:
    """Split a key into the strings it is made of (RFC 4251 5); paramiko takes one that is cut short."""
    parts: list[bytes] = []
    at = 0
    while at < len(key) or not parts:
        size = int.from_bytes(key[at : at + 4], "big")
        at += 4 + size
        if at > len(key):
            raise ValueError("it is cut short")
        parts.append(key[at - size : at])
    return parts


def fingerprint(key: bytes) -> str:
    """Return a public key's fingerprint as `ssh-keygen -l` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def wrong_host_key(name: str, seen: bytes, expected: bytes) -> IsolationError:
    """Return the error for a machine that is another one than it should be."""
    return IsolationError(
        f"cannot trust '{name}': its host key is {fingerprint(seen)}, expected {fingerprint(expected)}",
        hint=f"something else answers at its address; if '{name}' itself was made anew: provisioner down, then up",
    )


def _load_private_key(address: SshAddress, name: str) -> Any:
    try:
        return paramiko.PKey.from_path(address.private_key)
    except (OSError, ValueError, TypeError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no private key without a passphrase"
        raise IsolationError(f"cannot log in to '{name}': key '{address.private_key}': {why}") from None


def _unreachable(address: SshAddress, name: str, error: Exception) -> ConnectionLost:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error) or "it hung up"
    return ConnectionLost(
        f"cannot reach '{name}' at {address.host} port {address.port}: {why}",
        hint=f"see whether it is up: provisioner status {name}",
    )
