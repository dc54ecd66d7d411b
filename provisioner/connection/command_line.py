"""Turns an argument list into the one line that sshd gives to a login shell, and reads that line's answer.

In: arguments, variables, a folder.  Out: bytes for an "exec" request.  The shell writes one line to standard error
before it becomes the program: its pid, or why the program cannot start.  `Preamble` separates that line from what the
program writes.  The login shell must be a POSIX shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from provisioner.connection.child import MAX_STDERR
from provisioner.errors import IsolationError

# the line is one argument of the login shell: MAX_ARG_STRLEN (execve(2)) without its NUL
MAX_LINE = (1 << 17) - 1
FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"  # users' PATHs often lack them
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SAID = re.compile(rb"\nisolation (pid [0-9]+|absent|folder)\n")


def render_line(
    argv: Sequence[str],
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    where: str = "",
    sudo: bool = False,
) -> bytes:
    """
    Return the command line.  It prints the shell's pid, which exec then keeps for the program.

    Args:
        argv: the program and its arguments, passed byte for byte (surrogates stand for bytes that are not UTF-8).
        env: variables added to the session's.
        cwd: the working directory; None for the user's home.
        where: the machine's name, for errors.
        sudo: whether the program runs as root by sudo(8), which must not ask for a password.

    Raises:
        IsolationError: an argument holds a NUL byte, a variable's name is invalid, or the line is too long.
    """
    _check(argv, env or {}, cwd, where)
    program = shlex.quote(argv[0])
    variables = [f"{name}={value}" for name, value in (env or {}).items()]
    become = ["sudo", "-n", "--"] if sudo else []
    words = shlex.join([*become, *(["env", *variables] if variables else []), *argv])
    steps = [f"PATH=$PATH:{FOLDERS}"]
    if cwd is not None:
        folder = shlex.quote(cwd if cwd.startswith("/") else f"./{cwd}")  # cd interprets "-" and CDPATH
        steps.append(f"cd {folder} 2>/dev/null||{{ {_say('folder')};exit 127;}}")
    # dash's `command -v` accepts any file if its name holds a slash
    look = f"[ -f {program} ]&&[ -x {program} ]" if "/" in argv[0] else f"command -v {program} >/dev/null 2>&1"
    steps.append(f"{look}||{{ {_say('absent')};exit 127;}}")
    steps.append(_say("pid %s", "$$"))
    steps.append(f"exec {words}")
    line = ";".join(steps).encode("utf-8", "surrogateescape")
    if len(line) > MAX_LINE:
        raise IsolationError(
            f"cannot run '{argv[0]}' on '{where}': its arguments take {len(line)} bytes, a line holds {MAX_LINE}",
            hint="pass them on standard input",
        )
    return line


def _say(text: str, *words: str) -> str:
    """Return a printf(1) to standard error; the newline first ends what the shell's start-up files printed."""
    return " ".join([f"printf '\\nisolation {text}\\n'", *words, ">&2"])


def _check(argv: Sequence[str], env: Mapping[str, str], cwd: str | None, where: str) -> None:
    if not argv or not argv[0] or argv[0].startswith("-"):
        raise IsolationError(f"cannot run '{argv[0] if argv else ''}' on '{where}': not a program's name")
    for name in env:
        if not VARIABLE.fullmatch(name):
            raise IsolationError(f"cannot run '{argv[0]}' on '{where}': '{name}' is not a variable's name")
    if env and "=" in argv[0]:
        raise IsolationError(f"cannot run '{argv[0]}' on '{where}': env(1) would read its name as a variable")
    if any("\0" in part for part in (*argv, *env.values(), cwd or "")):
        raise IsolationError(f"cannot run '{argv[0]}' on '{where}': an argument holds a NUL byte")


class Preamble:
    """
    The line that the login shell writes before it becomes the program.

    Attributes:
        answer: None until the line arrives, then "pid 1234", "absent" (no such program) or "folder" (no such folder).
    """

    def __init__(self) -> None:
        self.answer: str | None = None
        self._before = bytearray()

    @property
    def pid(self) -> int:
        """The program's pid on the machine; 0 while unknown."""
        return int(self.answer[4:]) if self.answer and self.answer.startswith("pid ") else 0

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of standard error; return those that are the program's."""
        if self.answer is not None:
            return chunk
        self._before += chunk
        match = SAID.search(self._before)
        if match is None:
            return self.end() if len(self._before) > MAX_STDERR else b""
        self.answer = match[1].decode()
        held = self.end()
        return held[: match.start()] + held[match.end() :]

    def end(self) -> bytes:
        """Return the bytes held back so far."""
        held = bytes(self._before)
        self._before.clear()
        return held
