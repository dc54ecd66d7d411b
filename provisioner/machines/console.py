"""Reads the end of a machine's serial console, for error messages.

In: the console's file.  Out: plain text.  The hypervisor writes the file: content and file type are not
trusted.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from provisioner.files.folder import FILE

BYTES = 4000
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n\t -~]")


def read_console(path: Path, size: int = BYTES) -> str:
    """
    Return the end of a console's file without escape sequences; "" if it cannot be read.

    Args:
        path: the file; a symbolic link is not followed, and only a regular file is read.
        size: how many bytes to read at most.
    """
    try:
        with open(os.open(path, FILE), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return ""
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return ESCAPES.sub("", file.read(size).decode("utf-8", "replace"))
    except OSError:
        return ""
