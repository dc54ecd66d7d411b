"""Reports what is going on if it takes longer than two seconds.

In: `with step("boot qemu"):` around anything that may be slow, in any thread.  Out: one line on standard error after
two seconds and one with the duration at the end, indented by nesting; nothing for a faster step, or if
PYTEST_ISOLATION_QUIET is set.  `set_listener` redirects the lines, to pytest's terminal for example.  An error in here
neither fails nor delays the step.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

Listener = Callable[[str], None]

PATIENCE = 2.0  # seconds before the first line

_depth: ContextVar[int] = ContextVar("isolation_step_depth", default=0)
_lock = threading.Lock()
_listener: Listener | None = None


def set_listener(listener: Listener | None) -> Listener | None:
    """
    Send every line to a callable instead of standard error.

    Args:
        listener: gets one line without its newline; calls come one at a time, from any thread.  None: standard error.

    Returns:
        The previous listener.
    """
    global _listener
    with _lock:
        before, _listener = _listener, listener
    return before


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """
    Report a step that may take long.

    Args:
        text: a verb and its object: "boot qemu".

    Example:
        >>> with step("fetch a guest kernel"):
        ...     pass
    """
    indent = "  " * _depth.get()
    token = _depth.set(_depth.get() + 1)
    started = time.monotonic()
    announced = threading.Event()
    over = threading.Event()

    def announce() -> None:
        with _lock:
            if not over.is_set():
                announced.set()
                _write(f"{indent}{text} …")

    timer = threading.Timer(PATIENCE, announce)
    timer.daemon = True
    with contextlib.suppress(RuntimeError):  # too little memory for a thread: the step goes on, and nothing is said
        timer.start()
    failed = True
    try:
        yield
        failed = False
    finally:
        _depth.reset(token)
        timer.cancel()
        with _lock:
            over.set()
            if announced.is_set():
                _write(f"{indent}{text}: {'failed after ' if failed else ''}{time.monotonic() - started:.1f} s")


def tell(line: str) -> None:
    """Report one line now."""
    with _lock:
        _write(line)


def _write(line: str) -> None:
    """Write one line; the caller holds the lock."""
    if os.environ.get("PYTEST_ISOLATION_QUIET"):
        return
    with contextlib.suppress(Exception):  # a closed stream must not fail the step
        if _listener is not None:
            _listener(line)
        else:
            print(line, file=sys.stderr, flush=True)
