"""Renders the argument list of OpenSSH's ssh for a machine: with the machine's keys, without the user's configuration.

In: an `SshAddress`, a file for the host key, a command.  Out: an argument list.  Runs nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from provisioner.connection.address import SshAddress
from provisioner.errors import IsolationError
from provisioner.files.atomic import write_whole
from provisioner.files.grammars import ssh

ALIAS = "machine"  # the name of the host key in known_hosts: the address may change


def write_known_hosts(address: SshAddress, file: Path) -> None:
    """Write the only host key to accept, atomically: another ssh may be reading the file."""
    write_whole(file, f"{ALIAS} {address.host_key}\n")


def render_ssh(
    address: SshAddress, known_hosts: Path, command: str | None = None, seconds: float | None = None
) -> list[str]:
    """
    Return the argument list of ssh(1).

    Args:
        address: the machine's address and keys.
        known_hosts: a file written by `write_known_hosts`.
        command: one line for the login shell there; None for an interactive session.
        seconds: how long to wait for the connection, without asking the user anything (BatchMode); None to allow both.
    """
    options = {
        "CheckHostIP": "no",
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": ALIAS,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": ssh(address.private_key),
        "LogLevel": "ERROR",
        "PasswordAuthentication": "no",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": ssh(known_hosts),
    }
    if seconds is not None:
        options |= {"BatchMode": "yes", "ConnectTimeout": str(max(1, int(seconds)))}
    return [
        *(["nsenter", f"--net={address.netns}", "--"] if address.netns else []),
        *("ssh", "-F", "/dev/null", "-p", str(address.port), "-l", address.user),
        *(part for key, value in options.items() for part in ("-o", f"{key}={value}")),
        *("--", address.host),  # without the dashes ssh looks for options in the command too
        *([] if command is None else [command]),
    ]


def render_remote(command: Sequence[str]) -> str:
    """
    Return one line for a POSIX login shell that passes each argument unchanged.

    Raises:
        IsolationError: an argument holds a NUL byte.
    """
    if any("\0" in part for part in command):
        raise IsolationError(f"cannot run '{command[0]}': an argument holds a NUL byte")
    return shlex.join(command)
