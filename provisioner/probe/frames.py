"""The numbers and bounds of the probe's protocol (docs/reference/protocol.md), and the error of a broken channel."""

from __future__ import annotations

import struct

from provisioner.errors import IsolationError

MAGIC = b"\x7fISOPRB\n"
HEADER = struct.Struct(">IIB")
MAX_PAYLOAD = 32768
MAX_NOISE = 65536
MAX_OPEN = 16
INPUT_PIECE = 16384
INPUT_CREDITS = 2
HELLO, REQUEST, DATA, RESULT, ERROR, CANCEL, INPUT, CREDIT, LOG, END = range(10)


class ChannelError(IsolationError):
    """The probe broke the protocol, did not answer in time, or its stream ended."""
