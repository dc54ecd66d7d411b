"""Checks which host user owns a file that a sandbox creates in a shared folder.

In: a sandbox that shares a folder of the run.  Out: `SharedFile`.  The folder is deleted with the run.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.facts.status import IdRange
from provisioner.hosts.host import Host
from provisioner.hosts.outside import checked
from provisioner.observed import Fact, Items, Number, Observed
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import VOLUME

STICKY = 0o1777  # as /tmp: a sandbox may be any user of the host


class SharedFile(Observed):
    """
    The owner of a file that the sandbox created, as the host sees it (inode(7)).

    `users` is the inode of the sandbox's user namespace and `uid_map` its map, both seen from the host.
    """

    uid: Number
    gid: Number
    users: Fact[Number | None]
    uid_map: Fact[Items[IdRange]]


@contextlib.contextmanager
def shared_folder(host: Host) -> Iterator[Path]:
    """Make a folder in the run's folder that every user may write to; it is deleted at the end."""
    folder = host.directory / f"shared-{os.urandom(4).hex()}"
    host.files.make_folder(folder, STICKY)
    try:
        yield folder
    finally:
        host.files.delete(folder)


def make_shared_file(sandbox: Sandbox, folder: Path) -> SharedFile:
    """
    Let a sandbox create a file in the folder that is shared with it, and read its owner.

    Args:
        sandbox: a sandbox on this machine.
        folder: the shared folder, on the host.

    Raises:
        IsolationError: the file was not created, or cannot be read.
    """
    # of a file behind a sentry, its gofer is the owner: the ids are those that the sentry has on the host
    subject = sandbox.outside() or (sandbox.vmm() if sandbox.runtime.boundary == "sentry" else None)
    if subject is None:
        raise IsolationError("cannot read the owner of its file: its subject is not a process of this host")
    name = f"file-{sandbox.nonce}"
    checked(sandbox.request("touch", f"{VOLUME}/{name}"), "touch", sandbox.runtime.name)
    try:
        status = (folder / name).lstat()
    except OSError as error:
        raise IsolationError(f"cannot read the owner of its file: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise IsolationError("cannot read the owner of its file: it is not a regular file")
    return SharedFile(
        uid=status.st_uid,
        gid=status.st_gid,
        users=subject.process.namespaces.raw("user"),
        uid_map=subject.process.raw("uid_map"),
    )
