"""Runs one generated script of POSIX sh on a machine and reads its answer word by word.

In: a connection, lines of sh, deadlines.  Out: the words that the script prints, each ended by NUL.
The script is sent over standard input, because it may be longer than an argument may be.  It is one function, and the
last line calls it: a script that arrives incomplete does nothing.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from types import TracebackType
from typing import Self

from provisioner.connection.local import Connection, last_line
from provisioner.deadlines import slow_hint
from provisioner.errors import IsolationError
from provisioner.progress import step

MAX_ANSWER = 8 << 20  # bytes
# Root, or a user with sudo and no password, as on Vagrant's public boxes.  The owner of /proc/1 tells the shell
# whether it is root; id(1) would cost a process.
SHELL = ("sh", "-c", "if [ -O /proc/1 ]; then exec sh -s; else exec sudo -n sh -s; fi")
WAITING = "isolation-waiting"
FRAME = """\
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
main() {{
{body}
}}
main </dev/null
"""


class AnswerEnded(IsolationError):
    """The answer ended before the script: the connection or the machine is gone."""


class Answer:
    """
    A running script and the words that it prints.

    Args:
        connection: the machine.
        body: lines of sh; they print words with `printf '%s\\0'`.
        what: the action, for error messages: "read the state of 'debian12'".
    """

    def __init__(self, connection: Connection, body: str, what: str) -> None:
        self._what = what
        self._size = 0
        self._rest = b""
        self._chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._stream = connection.start(SHELL)
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self._stream.write(FRAME.format(body=body).encode())
            self._stream.end_input()
        except OSError as error:
            self._stream.kill()
            raise IsolationError(f"cannot {what}: {self._ending() or error}") from None

    def _read(self) -> None:
        """Read in a thread of its own and bound the total size; the caller may be slower than the machine."""
        try:
            for chunk in iter(self._stream.read, b""):
                self._size += len(chunk)
                if self._size > MAX_ANSWER:
                    break
                self._chunks.put(chunk)
        finally:
            self._chunks.put(b"")

    def word(self, seconds: float) -> str | None:
        """
        Return the next word, or None at the end of the answer.

        Args:
            seconds: how long to wait.

        Raises:
            IsolationError: no word arrives in time, or the answer is too long.
        """
        until = time.monotonic() + seconds
        parts = [self._rest]  # joined once: a long word arrives in many pieces
        while b"\0" not in parts[-1]:
            try:
                chunk = self._chunks.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                hint = slow_hint()
                raise IsolationError(f"cannot {self._what}: no answer after {seconds:.0f} s", hint=hint) from None
            if not chunk:
                self._chunks.put(b"")
                if self._size > MAX_ANSWER:
                    raise IsolationError(f"cannot {self._what}: its answer is longer than {MAX_ANSWER >> 20} MiB")
                self._rest = b"".join(parts)
                return None
            parts.append(chunk)
        word, _, self._rest = b"".join(parts).partition(b"\0")
        return word.decode("utf-8", "backslashreplace")

    def expect(self, wanted: str, seconds: float) -> None:
        """Read one word; raises IsolationError if it is not `wanted`."""
        self._compare(self.word(seconds), wanted)

    def _compare(self, word: str | None, wanted: str) -> None:
        if word is None:
            raise self.cut_short()
        if word != wanted:
            raise self.garbled(f"'{wanted}' was expected, not '{last_line(word.encode())}'")

    def expect_turn(self, wanted: str, seconds: float, waiting_for: str, patience: float) -> None:
        """
        Like `expect`, but the script may first report that it waits for its turn.

        Args:
            wanted: the word.
            seconds: how long to wait for the first word.
            waiting_for: what the script waits for, for the progress line: "another apply".
            patience: how long to wait after such a report, in seconds.
        """
        word = self.word(seconds)
        if word == WAITING:
            with step(f"wait for {waiting_for}"):
                self.expect(wanted, patience)
        else:
            self._compare(word, wanted)

    def expect_end(self, seconds: float) -> None:
        """Raise IsolationError if anything follows."""
        if self.word(seconds) is not None or self._rest:
            raise self.garbled("something follows its end")

    def cut_short(self, during: str = "") -> IsolationError:
        """Return the error for an answer that ended early; it quotes the last line of the machine's error stream."""
        if said := self._ending():
            hint = "log in as root, or as a user with sudo and no password" if said.startswith("sudo") else "try again"
            return IsolationError(f"cannot {self._what}: {said}", hint=hint)
        return AnswerEnded(
            f"cannot {self._what}: the connection ended{f' during: {during}' if during else ''}",
            hint="apply again: it continues there",
        )

    def garbled(self, why: str) -> IsolationError:
        """Return the error for an answer that the script does not print."""
        return IsolationError(f"cannot {self._what}: its answer is garbled: {why}", log=self._ending())

    def _ending(self) -> str:
        with contextlib.suppress(IsolationError):  # a lost connection has no exit status
            self._stream.wait(0.5)
        return last_line(self._stream.errors())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.kill()
