"""Handles the signals that end a program: counts them, interrupts the main thread once, ends the program at the third.

A thread counts and writes the lines.  The C handler of Python wakes it through a descriptor (signal.set_wakeup_fd), so
the third signal also ends a program whose main thread hangs in a system call or in C code.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from signal import Signals
from types import FrameType

from provisioner.interrupt.lines import first_line, last_line, left, second_line

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST = 3  # the signal that ends the program at once
PATIENCE = 1.0  # seconds for a stream to be flushed, and for a line to be written

_installed: Guard | None = None


class Guard:
    """
    Handles the signals of one program.  Use it from the main thread.

    Args:
        program: the name at the beginning of each line.
        error: returns the exception for the main thread.
        output: a file descriptor for the lines; None writes none, and no signal ends the program at once.
        fresh: whether a line begins with a newline, because the program writes parts of lines.

    Attributes:
        number: the first signal, None before it.
    """

    def __init__(
        self, program: str, error: Callable[[Signals], BaseException], output: int | None = 2, fresh: bool = False
    ) -> None:
        self.number: Signals | None = None
        self._program = program
        self._error = error
        self._output = output
        self._fresh = fresh
        self._pipe = (-1, -1)  # until `install`
        self._before: dict[Signals, object] = {}
        self._raised: BaseException | None = None
        self._held = 0
        self._count = 0
        self._repeats = 0  # signals that this process sent to itself to raise again
        self._forward: Callable[[Signals], None] | None = None
        self._doing: list[str] = []
        self._drained = threading.Event()

    def install(self) -> bool:
        """
        Handle the signals that have Python's own handler.  Ignored signals and the handlers of others stay.

        Returns:
            False, with nothing done, in another thread than the main one, or if a guard is installed already.
        """
        global _installed
        if _installed is not None or threading.current_thread() is not threading.main_thread():
            return False
        self._pipe = os.pipe()
        for fd in self._pipe:
            os.set_blocking(fd, fd == self._pipe[0])
        threading.Thread(target=self._watch, name="isolation-interrupt", daemon=True).start()
        self._unraisable = sys.unraisablehook
        sys.unraisablehook = self._on_unraisable
        self._wakeup = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        _installed = self
        for number in NUMBERS:
            handler = signal.getsignal(number)
            if handler in (signal.SIG_DFL, signal.default_int_handler):
                self._before[number] = handler
                signal.signal(number, self._on_signal)
        atexit.register(self._end)
        return True

    def _end(self) -> None:
        """
        Ignore further signals of an interrupted program: its exit status is decided.

        The interpreter's end sets the default handlers again, and ignored signals stay ignored.
        """
        for number in self._before if self.number is not None else ():
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, signal.SIG_IGN)

    def hold(self) -> None:
        """Raise nothing from now on: the program undoes things until its end."""
        self._held += 1

    def drain(self) -> None:
        """Wait until every signal so far is counted and its line is written."""
        self._drained.clear()
        with contextlib.suppress(OSError):
            os.write(self._pipe[1], b"\0")
            self._drained.wait(PATIENCE)

    def restore(self) -> None:
        """Set the handlers that `install` found."""
        self.drain()
        self._uninstall()
        self.drain()  # again: a signal may have come meanwhile, and the caller may close the output
        os.close(self._pipe[1])  # the thread sees the end of the pipe

    def leave_child(self) -> None:
        """Handle nothing in a forked child: the thread is the parent's, and the pipe leads to it."""
        self._uninstall()
        for fd in self._pipe:
            os.close(fd)

    def _uninstall(self) -> None:
        global _installed
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, handler)  # type: ignore[arg-type]  # what getsignal returned
        signal.set_wakeup_fd(self._wakeup)
        if sys.unraisablehook == self._on_unraisable:
            sys.unraisablehook = self._unraisable
        _installed = None

    @property
    def status(self) -> int:
        """The exit status of an interrupted program: 128 and the number of its first signal."""
        return 128 + (self.number or 0)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Raise once in the main thread; Python calls this between two of its instructions."""
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        if wakeup != self._pipe[1]:  # an event loop of asyncio has set its own
            with contextlib.suppress(OSError):
                os.write(self._pipe[1], bytes([number]))
        if self.number is None:
            self.number = Signals(number)
        self.raise_pending()

    def raise_pending(self) -> None:
        """Raise the interrupt in the main thread if it was not raised yet and nothing is being undone."""
        if self.number is not None and not self._held and self._raised is None:
            self._raised = self._error(self.number)
            raise self._raised

    @contextlib.contextmanager
    def held(self, doing: str, forward: Callable[[Signals], None] | None = None) -> Iterator[None]:
        """
        Hold during a block; an interrupt is raised after it unless the block fails.

        Args:
            doing: what the block does, for the line: "waiting for 'make'".
            forward: sends a signal to a child.  Then the signals during the block are the child's alone, and one that
                is still held back.
        """
        self._held += 1
        self._doing.append(doing)
        self._forward = forward or self._forward
        try:
            if forward is not None and self.number is not None and self._raised is None:
                _send(forward, self.number)
            yield
        finally:
            self._held -= 1
            self._doing.pop()
            if forward:
                self._forward, self.number, self._count = None, None, 0
        self.raise_pending()

    def _on_unraisable(self, args: sys.UnraisableHookArgs) -> None:
        """Raise again what was lost in a `__del__` method or a callback of the garbage collector."""
        if self._raised is None or args.exc_value is not self._raised:
            self._unraisable(args)
            return
        self._raised = None
        threading.Timer(0.02, self._again).start()

    def _again(self) -> None:
        if self.number is not None:
            self._repeats += 1
            signal.pthread_kill(threading.main_thread().ident or 0, self.number)

    def _watch(self) -> None:
        """Count the signals and write the lines; runs in a thread of its own until the pipe is closed."""
        with contextlib.suppress(OSError):
            while data := os.read(self._pipe[0], 1):
                if data == b"\0":
                    self._drained.set()
                elif self._is_ours(data[0]) and not self._is_repeat():
                    self._handle(Signals(data[0]))
        os.close(self._pipe[0])

    def _is_ours(self, number: int) -> bool:
        """Tell whether this guard handles the signal; a user may have set another handler meanwhile."""
        return number in self._before and signal.getsignal(number) == self._on_signal

    def _is_repeat(self) -> bool:
        if self._repeats == 0:
            return False
        self._repeats -= 1
        return True

    def _handle(self, number: Signals) -> None:
        self._count += 1
        if self.number is None:
            self.number = number
        if self._output is None:
            return
        if self._count >= LAST:
            self._force(number)
        forward, things = self._forward, left()
        doing = next((text for text in self._doing[::-1] if text), "") if forward or not things else ""
        self._print((first_line if self._count == 1 else second_line)(self.number or number, things, doing))
        if forward is not None:
            _send(forward, number)

    def _print(self, text: str) -> None:
        assert self._output is not None
        with contextlib.suppress(OSError):
            start = "\n" if self._fresh or os.isatty(self._output) else ""  # the cursor may be behind ^C
            os.write(self._output, f"{start}{self._program}: {text}\n".encode("ascii", "backslashreplace"))

    def _force(self, number: Signals) -> None:
        """End the program now, from the thread that counts."""
        things = left(dead=True)  # read before the children end: their journals name them as owners
        with contextlib.suppress(Exception):  # the program ends whatever fails: /proc, memory, an import
            kill_children()
        flush = threading.Thread(target=_flush, daemon=True)  # a stream may be locked by the thread that hangs
        flush.start()
        flush.join(PATIENCE)
        self._print(last_line(things))
        os._exit(128 + number)


def installed() -> Guard | None:
    """Return the installed guard; None in another thread than the main one, and in a forked child."""
    return _installed if threading.current_thread() is threading.main_thread() else None


def _leave_child() -> None:
    if _installed is not None:
        _installed.leave_child()


os.register_at_fork(after_in_child=_leave_child)


def _send(forward: Callable[[Signals], None], number: Signals) -> None:
    with contextlib.suppress(OSError):  # kill(2): the child may be another user's
        forward(number)


def kill_children() -> None:
    """Kill all processes that descend from this one."""
    from provisioner.linux.processes import kill_all, read_process, with_descendants

    own = read_process(os.getpid())
    for _ in range(2):  # again: one may have started another meanwhile
        if own is not None:
            kill_all([process for process in with_descendants([own]) if process != own], 0.5)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # another one of the user may be there, and may raise anything
            stream.flush()
