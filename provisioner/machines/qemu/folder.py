"""The folder in which QEMU runs: root's, with single files that QEMU's user owns.

In: a machine's folder.  Out: the open subfolder `vmm`, with a disk, a console and a control socket.  A QEMU that the
guest has taken over runs as nobody: in a folder of its own it could put a link in the place of a file that root chowns
at the next start.  So root owns the folder, hands over disk and console, and binds the socket itself.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.files.folder import Folder
from provisioner.machines.box.build import UNPRIVILEGED
from provisioner.machines.qemu.command import CONSOLE, DISK, SOCKET

NAME = "vmm"
MODE = 0o711  # QEMU's user opens its files by name
KINDS = {DISK: stat.S_ISREG, CONSOLE: stat.S_ISREG, SOCKET: stat.S_ISSOCK}
MAX_ADDRESS = 107  # bytes of a socket's path (unix(7))


def open_folder(directory: Path) -> Folder:
    """
    Open the folder; take it back if an older version gave it to nobody, perhaps with a QEMU that still runs in it.

    Entries that QEMU's user may have put there are deleted: links, names of other users' files, further files.

    Raises:
        IsolationError: it is missing, a link, or belongs to a third user.
    """
    try:
        with Folder.open(directory) as machine:
            folder = machine.folder(NAME)
    except OSError as error:
        raise IsolationError(f"cannot open folder '{directory / NAME}': {error.strerror}") from None
    try:
        owner = os.fstat(folder.fd).st_uid
        if owner not in (os.geteuid(), UNPRIVILEGED):
            raise IsolationError(f"cannot use folder '{folder.path}': it belongs to uid {owner}", hint="delete it")
        if os.geteuid() == 0:
            os.fchown(folder.fd, 0, 0)
        os.fchmod(folder.fd, MODE)
        for name in folder.names():
            status = folder.status(name)
            if status and not (name in KINDS and KINDS[name](status.st_mode) and _is_own(status, owner)):
                folder.delete(name)
    except BaseException:
        folder.close()
        raise
    return folder


def _is_own(status: os.stat_result, owner: int) -> bool:
    """Tell whether a file cannot be another's: link(2) gives a file of root a name in a folder of nobody."""
    return status.st_nlink == 1 and (owner != UNPRIVILEGED or status.st_uid == UNPRIVILEGED)


def make_files(folder: Folder, uid: int | None) -> socket.socket:
    """
    Make an empty console, hand console and disk over, and listen on the control socket.

    Args:
        folder: the folder with the disk.
        uid: the user that QEMU runs as; None for this user.

    Returns:
        The listening socket, for QEMU to inherit.
    """
    folder.delete(CONSOLE)
    make_file(folder, CONSOLE, uid)
    if uid is not None:
        folder.hand_over(DISK, uid, uid, 0o600)
    folder.delete(SOCKET)
    return _listen(folder)


def make_file(folder: Folder, name: str, uid: int | None) -> None:
    """
    Make an empty file that only its owner may read.

    Args:
        folder: the folder.
        name: the file, which must not exist.
        uid: its owner; None for this user.
    """
    os.close(folder.open_file(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    if uid is not None:
        folder.hand_over(name, uid, uid, 0o600)


def _listen(folder: Folder) -> socket.socket:
    """Bind the control socket, which only root may connect to: fchmod(2) before bind(2) sets the mode of its file."""
    path = str(folder.path / SOCKET)  # /proc/net/unix shows it to those who look at QEMU
    if len(os.fsencode(path)) > MAX_ADDRESS:
        path = f"/proc/self/fd/{folder.fd}/{SOCKET}"
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        os.fchmod(listening.fileno(), 0o600)
        listening.bind(path)
        listening.listen(1)
    except BaseException:
        listening.close()
        raise
    return listening
