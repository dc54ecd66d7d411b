"""Reads which other files a qcow2 disk names, without opening them.

In: the first bytes of a disk.  Out: the backing file, and whether there is an external data file.  Whoever writes the
disk writes these names, and QEMU opens them.  Format: docs/interop/qcow2.txt of QEMU.
"""

from __future__ import annotations

import struct

HEAD = 1 << 16  # bytes; the name lies in the first cluster, which has 64 KiB by default
FIXED = struct.Struct(">4sIQI52xQ")  # magic, version, offset and size of the name, and from byte 72 the features
MAGIC = b"QFI\xfb"
EXTERNAL_DATA = 1 << 2  # of the incompatible features


def names_others(head: bytes, backing: str) -> bool:
    """
    Tell whether a disk names another file than its backing file.  A disk without a valid header names none.

    Args:
        head: its first HEAD bytes.
        backing: the path that it may name.
    """
    if len(head) < FIXED.size:
        return False
    magic, version, offset, size, features = FIXED.unpack_from(head)
    if magic != MAGIC:
        return False
    external = version > 2 and bool(features & EXTERNAL_DATA)  # version 2 has no features
    return external or head[offset : offset + size] != backing.encode()
