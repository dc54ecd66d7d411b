"""Deletes a folder that a test made, in which what it ran may have mounted something."""

from __future__ import annotations

import os
from pathlib import Path

from provisioner.files.delete import delete_entry
from provisioner.linux.mounts import unmount_below


def delete_folder(path: Path) -> None:
    """
    Detach what is mounted in a folder, and delete it; nothing is deleted through a mount or a link.

    Raises:
        IsolationError: something is mounted in it still.
    """
    unmount_below(path)
    above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        delete_entry(above, path.name, path)
    finally:
        os.close(above)
