"""Undoes a journal entry on a machine: `python -m provisioner.hosts.ssh_undo ADDRESS NAME -- ARGV`.

In: an address as JSON, the machine's name, an argument list.  Out: the command's exit status.  Called by undo.py's
records alone, possibly long after the run that wrote them.  A machine that does not answer has nothing left to undo:
its next life begins from a snapshot or from its box, and run folders and cgroups end with a boot.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from provisioner.connection.login import open_socket
from provisioner.connection.ssh import SshConnection
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.hosts.files_ssh import load_address


def main(arguments: Sequence[str]) -> int:
    """Undo, and return the exit status."""
    address = load_address(arguments[0])
    name, argv = arguments[1], list(arguments[3:])
    connection = SshConnection(address, name)
    try:
        open_socket(address, name, deadline("close")).close()
        connection.find("true")
    except (OSError, IsolationError) as error:
        sys.stderr.write(f"machine '{name}' no longer exists: {error}\n")
        return 1  # undo.py takes these words for undone
    try:
        done = connection.run(argv, deadline("command"))
    except IsolationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        connection.close()
    sys.stderr.write(done.stderr.decode("utf-8", "backslashreplace"))
    return done.status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
