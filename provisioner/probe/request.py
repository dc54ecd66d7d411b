"""A request to the probe: how it is encoded, its state, and its reply.  Sends nothing: channel.py does."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from provisioner.probe.frames import INPUT_CREDITS, MAX_PAYLOAD, ChannelError


@dataclass(frozen=True)
class Reply:
    """
    The answer to a request.

    Args:
        ended: "exit N", "signal N", the text of an error frame, "end of stream", or "running" if it has not ended.
        data: its standard output.
        log: its standard error.
    """

    ended: str
    data: bytes
    log: bytes

    @property
    def ok(self) -> bool:
        """Whether the verb exited with status 0."""
        return self.ended == "exit 0"


@dataclass
class Pending:
    """
    A request that was sent; `Channel.wait` returns its Reply.

    Args:
        id: the number in its frames.
        argv: the verb and its arguments.
        until: when the host stops waiting, in seconds of time.monotonic().
        bound: the most bytes of output.
        data: its standard output so far.
        log: its standard error so far.
        ended: as in Reply; None while it runs.
        lost: the stream ended before the request did.
        credits: how many input frames may be sent.
    """

    id: int
    argv: tuple[str, ...]
    until: float
    bound: int
    data: bytearray = field(default_factory=bytearray)
    log: bytearray = field(default_factory=bytearray)
    ended: str | None = None
    lost: bool = False
    credits: int = INPUT_CREDITS


def encode_request(argv: Sequence[str], deadline: float, bound: int) -> bytes:
    """
    Return the payload of a request frame.

    Args:
        argv: the verb and its arguments.
        deadline: seconds that the request may take.
        bound: the most bytes of output.

    Raises:
        ChannelError: an argument has a NUL byte, or the arguments do not fit into a frame.
    """
    if any("\0" in part for part in argv):
        raise ChannelError("cannot send an argument with a NUL byte")
    body = struct.pack(">II", int(deadline * 1000), bound) + b"".join(os.fsencode(part) + b"\0" for part in argv)
    if len(body) > MAX_PAYLOAD:
        raise ChannelError(
            f"cannot send '{argv[0]}': its arguments take {len(body)} bytes, a request holds {MAX_PAYLOAD}",
            hint="pass it on standard input",
        )
    return body
