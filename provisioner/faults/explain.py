"""Turns an error of the environment into an IsolationError: one line with the cause, and a hint how to fix it.

In: an exception.  Out: an IsolationError, or None for an exception that the environment does not explain: a bug.
The causes are those of errno(3), setrlimit(2) and getcwd(3).
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

from provisioner.deadlines import slow_hint
from provisioner.errors import IsolationError
from provisioner.files.folder import NotWritten
from provisioner.paths import HOME

LONGEST = 80  # characters of a path that a line shows
NO_THREAD = "can't start new thread"
NO_HOME_FOLDER = "home directory"
FULL = (errno.ENOSPC, errno.EDQUOT)
ELSEWHERE = f"name another folder (for caches and state: {HOME})"
FREE = f"free space there, or {ELSEWHERE}"
HINTS = {
    errno.EMFILE: "raise the limit of open files: ulimit -n 1024",
    errno.ENFILE: "the whole host has too many open files: raise the sysctl fs.file-max",
    errno.EFBIG: "raise the limit of a file's size: ulimit -f unlimited",
    errno.ENOMEM: "free memory, or raise the limit: ulimit -v unlimited",
    errno.EAGAIN: "raise the limit of processes: ulimit -u, or pids.max of the cgroup",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "name another path: a part of this one is a file",
    errno.EEXIST: "name another path, or move away what is there",
    errno.EISDIR: "name another path: this one is a folder",
    errno.ELOOP: "remove the circle of symbolic links",
    errno.EIO: "look for the device's errors in the kernel's log: dmesg",
    errno.EROFS: f"make it writable, or {ELSEWHERE}",
    errno.EACCES: f"give this user access, or {ELSEWHERE}",
    errno.EPERM: f"give this user access, or {ELSEWHERE}",
}
NAMED = ("EAGAIN", "EMFILE", "ENFILE", "ENOMEM")
LIMITS = {errno.EMFILE: resource.RLIMIT_NOFILE, errno.EFBIG: resource.RLIMIT_FSIZE}


def explain(error: BaseException) -> IsolationError | None:
    """
    Return what the environment did not allow, in one line with a hint.

    Args:
        error: any exception.

    Returns:
        The error itself if it is an IsolationError.  None if it is a bug of a program.
    """
    if isinstance(error, IsolationError):
        return error
    if isinstance(error, OSError):
        return _of_system_call(error)
    if isinstance(error, MemoryError):
        return IsolationError(f"cannot go on: out of memory{_limit(resource.RLIMIT_AS)}", HINTS[errno.ENOMEM])
    if isinstance(error, RuntimeError) and NO_THREAD in str(error):
        limits = _limit(resource.RLIMIT_AS) or _limit(resource.RLIMIT_NPROC)
        hint = "raise the limits of memory and processes: ulimit -v, ulimit -u, pids.max of the cgroup"
        return IsolationError(f"cannot start a thread: too little memory, or too many processes{limits}", hint)
    if isinstance(error, RuntimeError) and NO_HOME_FOLDER in str(error).lower():
        return IsolationError("cannot find the home of this user: neither HOME nor passwd(5) names one", "set HOME")
    if isinstance(error, UnicodeEncodeError):
        text = error.object[error.start : error.end]
        hint = "unset PYTHONIOENCODING and use an UTF-8 locale: LC_ALL=C.UTF-8"
        return IsolationError(f"cannot write {text[:8]!a}: the encoding '{error.encoding}' does not have it", hint)
    if isinstance(error, subprocess.TimeoutExpired):
        name = error.cmd if isinstance(error.cmd, str) else str(error.cmd[0])
        hint = slow_hint()
        return IsolationError(f"cannot run '{name}': no end after {error.timeout:.0f} s", hint)
    return None


def failed(what: str, error: OSError) -> IsolationError:
    """
    Return an error with the cause and the hint of a system call's error.

    Args:
        what: what cannot be done: "cannot make '/run/x'".
        error: the error of the system call; its file is not named.
    """
    number = error.errno or 0
    cause = error.strerror or str(error) or type(error).__name__
    if number in LIMITS:
        cause += _limit(LIMITS[number])
    return IsolationError(f"{what}: {cause}", FREE if number in FULL else HINTS.get(number, ""))


def hint_in(text: str) -> str:
    """Return the hint for the error that a text names, as the probe writes it: "cannot fork: EAGAIN"; "" for none."""
    return next((HINTS[getattr(errno, name)] for name in re.findall(r"\bE[A-Z]+\b", text) if name in NAMED), "")


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Raise an IsolationError instead of an error of the environment; a bug stays what it is."""
    try:
        yield
    except Exception as error:
        known = explain(error)
        if known is None or known is error:
            raise
        raise known from error


def _of_system_call(error: OSError) -> IsolationError:
    number = error.errno or 0
    name = _shown(error.filename)
    cause = error.strerror or str(error) or type(error).__name__
    if number == errno.ENOENT and not error.filename and _is_folder_gone():
        return IsolationError("cannot use the working folder: it was removed", "change to a folder that exists: cd")
    if number in FULL:
        return _full(error, name, cause)
    if number == errno.ENAMETOOLONG and error.filename:
        longest = max(len(part) for part in os.fsdecode(error.filename).split("/"))
        return IsolationError(f"cannot use '{name}': a name of {longest} characters is too long", HINTS[number])
    if number == errno.EAGAIN and not error.filename:  # fork(2), clone(2)
        limit = _limit(resource.RLIMIT_NPROC)
        return IsolationError(f"cannot start a process: too many processes{limit}", HINTS[number])
    if number == errno.ENOMEM and not error.filename:
        return IsolationError(f"cannot go on: out of memory{_limit(resource.RLIMIT_AS)}", HINTS[number])
    return failed(f"cannot use '{name}'" if name else "cannot go on", error)


def _full(error: OSError, name: str, cause: str) -> IsolationError:
    """Name the file and the space that it needs, or the folders of ours that have none."""
    if not name:
        full = [folder for folder in _folders() if _free(folder) == 0]
        where = f" in {' and '.join(map(repr, full))}" if full else ""
        return IsolationError(f"cannot write: {cause}{where}", FREE)
    needed = f"{error.needed} bytes are needed, " if isinstance(error, NotWritten) and error.needed else ""
    free = _free(os.path.dirname(os.fsdecode(error.filename)) or ".")
    space = f" ({needed}{free} are free)" if free is not None else ""
    return IsolationError(f"cannot write '{name}': {cause}{space}", FREE)


def _folders() -> list[str]:
    """Return the folders that the programs write to."""
    home = os.environ.get(HOME)
    own = [f"{home}/{part}" for part in ("cache", "state", "run")] if home else []
    if not home and os.geteuid() == 0:
        own = ["/var/cache", "/var/lib", "/run"]
    return [*own, os.environ.get("TMPDIR") or "/tmp"]


def free_bytes(folder: str | Path) -> int:
    """Return the free bytes of the file system that a folder is on; OSError if it is not there."""
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize


def _free(folder: str) -> int | None:
    try:
        return free_bytes(folder)
    except OSError:
        return None


def _limit(which: int) -> str:
    """Return a limit of this process for a line, "" if there is none."""
    soft, _ = resource.getrlimit(which)
    if soft == resource.RLIM_INFINITY:
        return ""
    if which in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE):
        return f" (the limit is {soft / 1e6:.0f} MB)"
    return f" (the limit is {soft})"


def _is_folder_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _shown(path: object) -> str:
    """Return a path for a line: printable, and shortened in its middle."""
    if not isinstance(path, str | bytes | os.PathLike):
        return ""
    text = "".join(c if c.isprintable() else "?" for c in os.fsdecode(path))
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"
