"""Says what is going on when something takes longer than two seconds.

In: `with step("boot qemu"):` around anything that may be slow.  Out: one line on standard error after two seconds and
one with the duration at its end, indented by nesting; nothing at all for what is quicker, or when
PYTEST_ISOLATION_QUIET is set.  Called all over provisioner, from any thread.  `set_listener` sends the lines elsewhere
(pytest's terminal reporter).  It must never raise into, or delay, what it reports on.
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
        listener: called with one line without its newline, one call at a time, also from other threads; None resets.

    Returns:
        The listener that was set before, so that a caller can put it back.
    """
    global _listener
    with _lock:
        before, _listener = _listener, listener
    return before


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """
    Report a thing that may take long.

    Args:
        text: what is done, as a verb and an object: "boot qemu".

    Example:
        >>> with step("fetch a guest kernel"):
        ...     pass
    """
    indent = "  " * _depth.get()
    token = _depth.set(_depth.get() + 1)
    started = time.monotonic()
    said = threading.Event()
    over = threading.Event()

    def say_start() -> None:
        with _lock:
            if not over.is_set():
                said.set()
                _write(f"{indent}{text} …")

    timer = threading.Timer(PATIENCE, say_start)
    timer.daemon = True
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
            if said.is_set():
                _write(f"{indent}{text}: {'failed after ' if failed else ''}{time.monotonic() - started:.1f} s")


def _write(line: str) -> None:
    """Hand one line on; the caller holds the lock."""
    if os.environ.get("PYTEST_ISOLATION_QUIET"):
        return
    with contextlib.suppress(Exception):  # a closed stream must not break what is being done
        if _listener is not None:
            _listener(line)
        else:
            print(line, file=sys.stderr, flush=True)
