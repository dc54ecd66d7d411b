"""Processes of a host that a sandbox must not look into, for as long as the sandbox tries.

In: the channel to the host's probe, and the host's view of a sandbox's first process.
Out: words of the request `facts` that name them.
ptrace(2), "Ptrace access mode checking": a process may look into another of its own user and group that holds no
capability which it lacks itself.  The host's probe holds all of them, so it is protected best.  Therefore there are
weaker ones: one with the sandbox's own user and group, and one like the first process of another container.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from provisioner.deadlines import deadline
from provisioner.facts.process import Process
from provisioner.observed import Unobserved
from provisioner.probe.channel import Channel
from provisioner.probe.frames import ChannelError

SAME_USER = "same_user"  # the sandbox's user and group, without a capability
CONTAINER = "container"  # root with the capabilities of a container
# moby/moby, daemon/pkg/oci/caps/defaults.go
CONTAINER_CAPABILITIES = 0xA80425FB
HOLD = 3600.0  # seconds: the caller cancels it before


@contextlib.contextmanager
def canary_processes(channel: Channel, subject: Process, nonce: str) -> Iterator[list[str]]:
    """
    Start the processes; they end with the `with`.

    Args:
        channel: to the host's probe.
        subject: the host's view of the sandbox's first process.
        nonce: the nonce of the host's probe, which is in their command lines.

    Yields:
        A word `process=NAME:PID:NONCE` for each that could be started: a host without root starts only its own user's.
    """
    users = {CONTAINER: f"0:0:{CONTAINER_CAPABILITIES:x}"}
    uids, gids = subject.raw("uid"), subject.raw("gid")
    if not isinstance(uids, Unobserved) and not isinstance(gids, Unobserved):
        users[SAME_USER] = f"{uids[3]}:{gids[3]}:0"  # those of the file system decide about /proc (ptrace(2))
    try:
        held = channel.start("canaries", "processes", *users.values(), deadline=HOLD)
        held.until = time.monotonic() + deadline("request")  # how long to wait for the pids
    except ChannelError:
        yield []
        return
    try:
        yield _words(channel.wait(held, until=lambda now: now.data.count(b"\n") == len(users)).data, list(users), nonce)
    finally:
        with contextlib.suppress(ChannelError):
            channel.cancel(held)


def _words(data: bytes, names: list[str], nonce: str) -> list[str]:
    pids = data.decode("ascii", "replace").split()
    return [f"process={name}:{pid}:{nonce}" for name, pid in zip(names, pids, strict=False) if pid.isdigit()]
