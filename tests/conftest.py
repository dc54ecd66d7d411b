"""What holds for all tests: Ctrl-C interrupts, whatever has started them.

A shell that starts something in the background lets it ignore SIGINT (POSIX sh, "Asynchronous Lists"), and all that is
started from there inherits that: tests that interrupt would then wait for ever.
"""

from __future__ import annotations

import signal
import threading


def pytest_configure() -> None:
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
