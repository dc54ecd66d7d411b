"""Installs seccomp filters in itself, then executes another program: `with_filters.py LISTENER BASE64... -- ARGV...`.

LISTENER is the number of the descriptor for the last filter's listener (seccomp_unotify(2)), 0 for none.
It needs CAP_SYS_ADMIN, because no_new_privs would be another wall.
"""

import base64
import ctypes
import os
import sys

SECCOMP = {"x86_64": 317, "aarch64": 277}
SET_MODE_FILTER, NEW_LISTENER = 1, 1 << 3


class Program(ctypes.Structure):
    """struct sock_fprog (linux/filter.h)."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def install(code: bytes, flags: int) -> int:
    """Install one filter; return its listener, or 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = ctypes.create_string_buffer(code, len(code))
    program = Program(len(code) // 8, ctypes.cast(instructions, ctypes.c_void_p).value)
    found = libc.syscall(SECCOMP[os.uname().machine], SET_MODE_FILTER, flags, ctypes.byref(program))
    if found < 0:
        raise OSError(ctypes.get_errno(), "cannot install a filter")
    return int(found)


def main(listener: int, *words: str) -> None:
    """Install each program, the oldest first, and execute the words after `--`."""
    at = words.index("--")
    programs = [base64.b64decode(word) for word in words[:at]]
    for number, code in enumerate(programs):
        wanted = listener > 0 and number == len(programs) - 1
        found = install(code, NEW_LISTENER if wanted else 0)
        if wanted:
            os.dup2(found, listener)
            os.set_inheritable(listener, True)  # also if it had that number already
    os.execvp(words[at + 1], words[at + 1 :])


main(int(sys.argv[1]), *sys.argv[2:])
