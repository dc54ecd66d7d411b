"""Whose a file is that a sandbox makes in a folder of the host.

In: a sandbox that shares a folder made for it.  Out: `SharedFile`.  Called by residue.py, whose sandbox
is made anyway.  The folder is the run's own and goes with it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.facts.status import IdRange
from provisioner.hosts.host import Host, checked
from provisioner.observed import Fact, Items, Number, Observed
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import VOLUME

STICKY = 0o1777  # as /tmp is: whichever user of the host a sandbox is may write


class SharedFile(Observed):
    """
    A file that the sandbox made, as the host sees it (inode(7)), and the ids that the sandbox has there.

    `users` is the sandbox's user namespace and `uid_map` its map, both seen by the host.
    """

    uid: Number
    gid: Number
    users: Fact[Number | None]
    uid_map: Fact[Items[IdRange]]


@contextlib.contextmanager
def shared_folder(host: Host) -> Iterator[Path]:
    """Make a folder that every user may write to, below the run's own; gone at the end."""
    folder = host.directory / f"shared-{os.urandom(4).hex()}"
    host.site.make_folder(folder, STICKY)
    try:
        yield folder
    finally:
        host.site.delete(folder)


def make_shared_file(sandbox: Sandbox, folder: Path) -> SharedFile:
    """
    Let a sandbox make a file in the folder that is shared with it, and look whose it is; on this machine alone.

    Raises:
        IsolationError: it made none, or it could not be looked at.
    """
    subject = sandbox.outside()
    if subject is None:
        raise IsolationError("cannot look whose its file is: its subject is no process of the host")
    name = f"file-{sandbox.nonce}"
    checked(sandbox.request("touch", f"{VOLUME}/{name}"), "touch", sandbox.runtime.name)
    try:
        status = (folder / name).lstat()
    except OSError as error:
        raise IsolationError(f"cannot look at the file that it made: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise IsolationError("cannot look at the file that it made: it is no file")
    return SharedFile(
        uid=status.st_uid,
        gid=status.st_gid,
        users=subject.process.namespaces.raw("user"),
        uid_map=subject.process.raw("uid_map"),
    )
