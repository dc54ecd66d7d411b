"""Opens one authenticated SSH connection with the machine's host key, our private key, and nothing else.

In: an SshAddress.  Out: an open fabric.Connection.  No file of ~/.ssh, no configuration of SSH or Fabric and no agent
is read, no host key other than the given one is accepted, and no process is started.  Fabric accepts any host key by
default: the policy of its client is replaced before it opens.  The socket is connected inside the machine's network
namespace and has TCP_NODELAY: Nagle's algorithm delays a small packet by up to 40 ms a command.
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
from provisioner.errors import IsolationError, unless_root
from provisioner.progress import step

if TYPE_CHECKING:
    from provisioner.connection.address import SshAddress

TRIES = 3
PAUSE = 0.7  # seconds between tries: each one costs a booting guest a fork of sshd
KEEPALIVE = 15  # seconds
SILENCE = 60.0  # seconds without an acknowledgement until the connection is lost (TCP_USER_TIMEOUT, tcp(7))
UNKNOWN_SIGNAL = -255  # ended by a signal without a name in RFC 4254 6.10
CLONE_NEWNET = 0x40000000
LOG = "provisioner.connection.ssh"

logging.getLogger(LOG).addHandler(logging.NullHandler())  # without a handler, paramiko's errors reach the terminal


class _Transport(paramiko.Transport):  # type: ignore[misc]  # paramiko has no types
    """A transport that keeps the signal by which a command ended; paramiko ignores it."""

    def _take_request(channel: Any, message: Any) -> None:  # paramiko calls it with the channel as self
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

    _channel_handler_table = {  # noqa: RUF012  # like paramiko's own
        **paramiko.Transport._channel_handler_table,
        MSG_CHANNEL_REQUEST: _take_request,
    }


def log_in(address: SshAddress, name: str) -> fabric.Connection:
    """
    Open a connection; a machine that still boots is tried again, up to TRIES times within one deadline.

    Args:
        address: where the machine is.
        name: its name, for errors.

    Raises:
        IsolationError: the machine has another host key or refuses our key (no further try), or does not answer.
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
    """Return a closed connection with a configuration that reads no file and a client that knows no host."""
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
    """
    Connect to a machine's SSH server, inside its network namespace if it has one.

    Args:
        address: where the machine is.
        name: its name, for errors.
        seconds: how long to wait.

    Raises:
        OSError: nothing answers.
        IsolationError: the network namespace is missing, or we may not enter it.
    """
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
            # setns(2) moves one thread, which ends with the block; the socket stays in its namespace
            with ThreadPoolExecutor(1, thread_name_prefix="isolation-netns") as thread:
                endpoint = thread.submit(_connect_within, file, (address.host, address.port), seconds, name).result()
        finally:
            os.close(file)
    endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENCE * 1000))
    return endpoint


def _connect_within(netns: int, endpoint: tuple[str, int], seconds: float, name: str) -> socket.socket:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns is new in Python 3.12
    if libc.setns(netns, CLONE_NEWNET):
        raise IsolationError(
            f"cannot reach '{name}': entering its network namespace: {os.strerror(ctypes.get_errno())}",
            hint=unless_root("run as root: setns(2) needs CAP_SYS_ADMIN", "setns(2) needs CAP_SYS_ADMIN"),
        )
    return socket.create_connection(endpoint, seconds)


def parse_host_key(line: str, name: str) -> tuple[str, bytes]:
    """Return type and bytes of a public key line, "ssh-ed25519 AAAA…"; `name` is the machine's, for errors."""
    words = line.split()
    try:
        key = base64.b64decode(words[1], validate=True)
        key_type = _parts(key)[0].decode()
        if key_type != words[0]:
            raise ValueError(f"its type is {key_type}")
        paramiko.PKey.from_type_string(key_type, key)
    except (IndexError, ValueError, binascii.Error, paramiko.SSHException):
        raise IsolationError(
            f"cannot read the host key of '{name}': '{line[:40]}' is not a public key", hint="build its box again"
        ) from None
    except paramiko.pkey.UnknownKeyType:
        raise IsolationError(f"cannot read the host key of '{name}': its type '{words[0]}' is not known") from None
    return key_type, key


def _parts(key: bytes) -> list[bytes]:
    """Split a key into its strings (RFC 4251 5); paramiko accepts a truncated key."""
    parts: list[bytes] = []
    at = 0
    while at < len(key) or not parts:
        size = int.from_bytes(key[at : at + 4], "big")
        at += 4 + size
        if at > len(key):
            raise ValueError("truncated")
        parts.append(key[at - size : at])
    return parts


def fingerprint(key: bytes) -> str:
    """Return a public key's fingerprint as `ssh-keygen -l` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def wrong_host_key(name: str, seen: bytes, expected: bytes) -> IsolationError:
    """
    Return the error for a machine with another host key.

    Args:
        name: the machine's name.
        seen: the key that the machine sent, in SSH's binary form (RFC 4253, section 6.6).
        expected: the key of the machine's box, in the same form.
    """
    return IsolationError(
        f"cannot trust '{name}': its host key is {fingerprint(seen)}, expected {fingerprint(expected)}",
        hint=f"another machine answers at its address; if '{name}' was made again: provisioner down, then up",
    )


def _load_private_key(address: SshAddress, name: str) -> Any:
    try:
        return paramiko.PKey.from_path(address.private_key)
    except (OSError, ValueError, TypeError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
        why = error.strerror if isinstance(error, OSError) else "not a private key without a passphrase"
        raise IsolationError(f"cannot log in to '{name}': key '{address.private_key}': {why}") from None


def _unreachable(address: SshAddress, name: str, error: Exception) -> ConnectionLost:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error) or "it closed the connection"
    return ConnectionLost(
        f"cannot reach '{name}' at {address.host} port {address.port}: {why}",
        hint=f"check that it runs: provisioner status {name}",
    )
