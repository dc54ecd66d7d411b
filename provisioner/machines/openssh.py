"""Says how OpenSSH is called to reach a machine: the one argument list, with the machine's own keys and nothing else.

In: an `SshAddress`, a file for the host key, a command.  Out: an argument list.  Called by banner.py, which sets
clocks, and by `provisioner ssh`, which becomes it.  Runs nothing; it names no configuration and no agent of the user's.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from provisioner.connection.address import SshAddress
from provisioner.errors import IsolationError
from provisioner.files.atomic import write_whole

ALIAS = "machine"  # the key belongs to the machine, whatever its address


def write_known_hosts(address: SshAddress, file: Path) -> None:
    """Write the only key to accept, whole: another ssh may be reading it."""
    write_whole(file, f"{ALIAS} {address.host_key}\n")


def render_ssh(
    address: SshAddress, known_hosts: Path, command: str | None = None, seconds: float | None = None
) -> list[str]:
    """
    Return the argument list.

    Args:
        address: where the machine is.
        known_hosts: a file that `write_known_hosts` has written.
        command: one line for the login shell there; None for a session.
        seconds: to wait for a connection; then it asks for nothing (BatchMode).  None where somebody may be asked.
    """
    options = {
        "CheckHostIP": "no",
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": ALIAS,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": _plain(address.private_key),
        "LogLevel": "ERROR",
        "PasswordAuthentication": "no",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": _plain(known_hosts),
    }
    if seconds is not None:
        options |= {"BatchMode": "yes", "ConnectTimeout": str(max(1, int(seconds)))}
    return [
        *(["nsenter", f"--net={address.netns}", "--"] if address.netns else []),
        *("ssh", "-F", "/dev/null", "-p", str(address.port), "-l", address.user),
        *(part for key, value in options.items() for part in ("-o", f'{key}="{value}"')),
        *("--", address.host),  # without the dashes ssh would look for options in the command too
        *([] if command is None else [command]),
    ]


def render_remote(command: Sequence[str]) -> str:
    """
    Return one line for a POSIX login shell by which each argument arrives as it is.

    Raises:
        IsolationError: an argument holds a NUL byte.
    """
    if any("\0" in part for part in command):
        raise IsolationError(f"cannot run '{command[0]}': an argument holds a NUL byte")
    return shlex.join(command)


def _plain(path: Path) -> str:
    """Spell a path so that ssh_config(5)'s tokens in it stay letters."""
    return str(path).replace("%", "%%")
