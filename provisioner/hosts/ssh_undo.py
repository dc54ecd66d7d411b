"""Undoes a journal's entry on a machine, possibly long after the run that wrote it.

A machine that does not answer has nothing left to undo: it starts again from a snapshot or from its box, and its run
folders and cgroups do not outlive a boot.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from provisioner.connection.address import load_address
from provisioner.connection.login import open_socket
from provisioner.connection.ssh import SshConnection
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError


def run_over_ssh(address: str, name: str, argv: Sequence[str]) -> int:
    """
    Run a command on a machine and copy its standard error to ours.

    Args:
        address: the machine's address, as `dump_address` writes it.
        name: the machine's name, for errors.
        argv: the command.

    Returns:
        The command's exit status.

    Raises:
        IsolationError: the machine does not answer ("no longer exists", which the journal takes for undone), or the
            connection breaks.
    """
    where = load_address(address)
    connection = SshConnection(where, name)
    try:
        open_socket(where, name, deadline("close")).close()
        connection.find("true")
    except (OSError, IsolationError) as error:
        raise IsolationError(f"machine '{name}' no longer exists: {error}") from None
    try:
        done = connection.run(argv, deadline("command"))
    finally:
        connection.close()
    sys.stderr.write(done.stderr.decode("utf-8", "backslashreplace"))
    return done.status
