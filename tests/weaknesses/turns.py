"""Turns for plants that share or listen on the host's network: their sandboxes would reach each other's listeners.

In: nothing.  Out: a context that only one session of this host enters at a time.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Bound and never listened on.  A port is held by one user of a network namespace, whoever that is, and is free again
# when its holder is killed; it lies below the ports that the kernel gives away (ip_local_port_range, ip(7)).
PORT = 23750
PATIENCE = 600.0


@contextmanager
def network_turn(port: int = PORT, patience: float = PATIENCE) -> Iterator[None]:
    """
    Wait for this session's turn on the host's network.

    Args:
        port: a loopback port that stands for the turn.
        patience: seconds to wait.

    Raises:
        OSError: the turn did not come.
    """
    until = time.monotonic() + patience
    with socket.socket() as turn:
        while True:
            try:
                turn.bind(("127.0.0.1", port))
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                    raise
                time.sleep(0.05)
        yield
