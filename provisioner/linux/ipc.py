"""Makes, reads and deletes System V shared memory segments and POSIX message queues of this machine.

Python's library has neither (svipc(7), mq_overview(7)).  OSError where the kernel refuses.  Only objects of this user
that carry our mark are deleted.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

IPC_CREAT, IPC_EXCL, IPC_RMID = 0o1000, 0o2000, 0
SHM_RDONLY = 0o10000
SEGMENT = 4096
MARK = b"canary isolation-"
_FAILED = ctypes.c_void_p(-1).value
_libc: Any = ctypes.CDLL(None, use_errno=True)


def make_segment(key: int, text: bytes) -> None:
    """Make a segment that holds `text`; FileExistsError if the key is taken."""
    number = _checked(_libc.shmget(key, ctypes.c_size_t(SEGMENT), IPC_CREAT | IPC_EXCL | 0o600), "shmget")
    address = _attach(number, 0)
    ctypes.memmove(address, text, len(text))
    _libc.shmdt(ctypes.c_void_p(address))


def read_segment(key: int, size: int) -> str:
    """Return the first `size` bytes of the segment of that key."""
    address = _attach(_checked(_libc.shmget(key, ctypes.c_size_t(0), 0), "shmget"), SHM_RDONLY)
    try:
        return ctypes.string_at(address, min(size, SEGMENT)).decode("ascii", "backslashreplace")
    finally:
        _libc.shmdt(ctypes.c_void_p(address))


def delete_segment(key: int) -> bool:
    """Delete the segment of that key if it carries our mark; False if there is none."""
    try:
        found = read_segment(key, len(MARK))
    except OSError:
        return False  # there is none, or it is another user's
    if found.encode() != MARK and found.strip("\0"):
        return False
    _checked(_libc.shmctl(_checked(_libc.shmget(key, ctypes.c_size_t(0), 0), "shmget"), IPC_RMID, None), "shmctl")
    return True


def make_mqueue(name: str) -> None:
    """
    Make an empty queue "/name" (mq_open(3)) for one message of one byte.

    RLIMIT_MSGQUEUE limits the capacity of all queues of a user: it allows nine of the default size.
    """
    flags = os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    attributes = (ctypes.c_long * 8)(0, 1, 1)  # struct mq_attr: flags, maxmsg, msgsize, curmsgs
    made = _realtime().mq_open(f"/{name}".encode(), flags, 0o600, ctypes.byref(attributes))
    os.close(_checked(made, "mq_open"))


def read_mqueue(name: str) -> str:
    """Return how many messages the queue holds and how long each may be."""
    descriptor = _checked(_realtime().mq_open(f"/{name}".encode(), os.O_RDONLY | os.O_CLOEXEC), "mq_open")
    attributes = (ctypes.c_long * 8)()  # struct mq_attr: flags, maxmsg, msgsize, curmsgs
    try:
        _checked(_realtime().mq_getattr(descriptor, ctypes.byref(attributes)), "mq_getattr")
    finally:
        os.close(descriptor)
    return f"{attributes[3]} messages of at most {attributes[2]} bytes"


def delete_mqueue(name: str) -> bool:
    """Delete the queue; False if there is none."""
    try:
        _checked(_realtime().mq_unlink(f"/{name}".encode()), "mq_unlink")
    except FileNotFoundError:
        return False
    return True


def _attach(number: int, flags: int) -> int:
    _libc.shmat.restype = ctypes.c_void_p
    address = _libc.shmat(number, None, flags)
    if address == _FAILED or address is None:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "shmat")
    return int(address)


def _realtime() -> Any:
    """Return the library with mq_*: before glibc 2.34 it is librt."""
    return _libc if hasattr(_libc, "mq_open") else ctypes.CDLL("librt.so.1", use_errno=True)


def _checked(result: int, call: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), call)
    return result
