"""Turns an argument list into the one line that sshd hands to a login shell, and reads that line's first word back.

In: arguments, variables, a folder.  Out: bytes for an "exec" request; `Preamble` takes the line that the shell says
first on the error stream (its pid, or why it did not begin) off what the program itself writes.
Called by ssh.py and ssh_stream.py.  Runs nothing.  The login shell must be a POSIX shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from provisioner.connection.local import MAX_STDERR
from provisioner.errors import IsolationError

# the line is one argument of the login shell: MAX_ARG_STRLEN, execve(2), less its NUL
MAX_LINE = (1 << 17) - 1
FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"  # of system programs, which users' PATHs often lack
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
    Return the command line: it says its pid, then becomes the program, so that this pid is the program's.

    Args:
        argv: the program and its arguments; each byte of them arrives as it is (surrogates stand for other than UTF-8).
        env: variables added to the session's own.
        cwd: the folder to start in; None for the user's home.
        where: the machine's name, for errors.
        sudo: whether the program becomes root by sudo(8), which must not ask for a password.

    Raises:
        IsolationError: a NUL byte, the name of a variable that is none, or too long for one line.
    """
    _check(argv, env or {}, cwd, where)
    program = shlex.quote(argv[0])
    variables = [f"{name}={value}" for name, value in (env or {}).items()]
    become = ["sudo", "-n", "--"] if sudo else []
    words = shlex.join([*become, *(["env", *variables] if variables else []), *argv])
    steps = [f"PATH=$PATH:{FOLDERS}"]
    if cwd is not None:
        folder = shlex.quote(cwd if cwd.startswith("/") else f"./{cwd}")  # "-" and CDPATH mean something to cd
        steps.append(f"cd {folder} 2>/dev/null||{{ {_say('folder')};exit 127;}}")
    # dash's `command -v` takes any file for a program once its name holds a slash
    look = f"[ -f {program} ]&&[ -x {program} ]" if "/" in argv[0] else f"command -v {program} >/dev/null 2>&1"
    steps.append(f"{look}||{{ {_say('absent')};exit 127;}}")
    steps.append(_say("pid %s", "$$"))
    steps.append(f"exec {words}")
    line = ";".join(steps).encode("utf-8", "surrogateescape")
    if len(line) > MAX_LINE:
        raise IsolationError(
            f"cannot run '{argv[0]}' on '{where}': its arguments take {len(line)} bytes, a line holds {MAX_LINE}",
            hint="hand it on standard input",
        )
    return line


def _say(text: str, *words: str) -> str:
    """The newline before it ends whatever the login shell's own files have said."""
    return " ".join([f"printf '\\nisolation {text}\\n'", *words, ">&2"])


def _check(argv: Sequence[str], env: Mapping[str, str], cwd: str | None, where: str) -> None:
    if not argv or not argv[0] or argv[0].startswith("-"):
        raise IsolationError(f"cannot run '{argv[0] if argv else ''}' on '{where}': that is no program")
    for name in env:
        if not VARIABLE.fullmatch(name):
            raise IsolationError(f"cannot run '{argv[0]}' on '{where}': '{name}' cannot name a variable")
    if env and "=" in argv[0]:
        raise IsolationError(f"cannot run '{argv[0]}' on '{where}': env(1) would take its name for a variable")
    if any("\0" in part for part in (*argv, *env.values(), cwd or "")):
        raise IsolationError(f"cannot run '{argv[0]}' on '{where}': an argument holds a NUL byte")


class Preamble:
    """
    What the login shell said before it became the program.

    `said` is None until its line has arrived, then "pid 1234", "absent" or "folder".
    """

    def __init__(self) -> None:
        self.said: str | None = None
        self._before = bytearray()

    @property
    def pid(self) -> int:
        """The program's pid on its machine; 0 while unknown."""
        return int(self.said[4:]) if self.said and self.said.startswith("pid ") else 0

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece of the error stream; return what of it is not ours."""
        if self.said is not None:
            return chunk
        self._before += chunk
        match = SAID.search(self._before)
        if match is None:
            return self.end() if len(self._before) > MAX_STDERR else b""
        self.said = match[1].decode()
        held = self.end()
        return held[: match.start()] + held[match.end() :]

    def end(self) -> bytes:
        """Return what came without our line in it."""
        held = bytes(self._before)
        self._before.clear()
        return held
