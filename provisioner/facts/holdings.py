"""What a hypervisor's process holds on the host: files, and connections to others (exposed/backings.c, connections.c).

The host's probe looks at both only where it is asked to, for the process that runs a guest.
"""

from __future__ import annotations

from typing import Literal

from provisioner.facts.forms import Id, Mode, Port
from provisioner.observed import Fact, Observed, Text


class Backing(Observed):
    """
    A file, named pipe or terminal that the process has open, or maps shared and writable (mmap(2), MAP_SHARED).

    `path` is the text of the link in /proc/PID/fd, or the other end of a pseudoterminal (pts(4)).  `access` is what it
    was opened for; "path" is O_PATH.  `mapped` says that it is mapped, as a guest's memory is.  `pid` says that it
    holds nothing but a number, as pid files do.  `uid` and `mode` are its inode's.  `others_read` and `others_write`
    say whether a user who is neither its owner nor in its group may open it so: by its mode, and by that of every
    folder on its path (path_resolution(7)).
    """

    path: Text
    type: Literal["file", "fifo", "char"]
    access: Literal["r", "w", "rw", "path"]
    mapped: bool
    pid: bool
    uid: Id
    mode: Mode
    others_read: Fact[bool]
    others_write: Fact[bool]


class Connection(Observed):
    """
    A socket that the process has connected to a name or port of another one; none that it accepted.

    `address` is "" as long as the other end has not accepted it (accept(2)).
    `server` is the program that serves there and `uid` its user, None if unknown; both are unknown for ports.
    """

    family: Literal["tcp", "tcp6", "unix"]
    address: Text
    port: Port | None
    server: Text | None
    uid: Id | None
