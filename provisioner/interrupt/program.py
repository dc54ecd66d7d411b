"""Runs a program that signals end in order, and marks what they must not interrupt.

In: a main function.  Out: an exit status: main's, or 128 and the number of the signal.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from signal import Signals

from provisioner.faults.report import run_reported
from provisioner.interrupt.guard import Guard, installed

QUIET = "PYTEST_ISOLATION_INTERRUPT_QUIET"  # set for a child of ours that is interrupted by its parent, which reports


class Interrupted(BaseException):
    """A signal asked the program to end.  Not a KeyboardInterrupt: libraries catch that one, print and exit."""

    def __init__(self, number: Signals) -> None:
        super().__init__(f"interrupted by {number.name}")
        self.number = number


def run(program: str, main: Callable[[], object], failed: int = 1) -> int:
    """
    Run a program's main function with the signals handled, and return its exit status.

    Args:
        program: the program's name.
        main: runs the command line; it may raise SystemExit.  Any other error is one line on standard error.
        failed: the exit status after an error.

    Returns:
        128 and the number of the signal if the program was interrupted, else main's status.
    """
    guard = Guard(program, Interrupted, None if os.environ.pop(QUIET, "") else 2)
    status: object = 0

    def guarded_main() -> None:
        guard.install()
        main()

    with contextlib.suppress(Interrupted):
        status = run_reported(program, guarded_main, failed)
    guard.hold()
    guard.drain()
    if guard.number is not None and not isinstance(status, int | None):
        print(status, file=sys.stderr)
    if guard.number is not None:
        return guard.status
    return status if isinstance(status, int) else int(status is not None)


def interrupted() -> bool:
    """Tell whether a signal asked this program to end."""
    guard = installed()
    return guard is not None and guard.number is not None


@contextlib.contextmanager
def undoing(what: str = "") -> Iterator[None]:
    """
    Do not interrupt the main thread during a `with` block that undoes or writes something.

    An interrupt is raised after the block.  If the block fails, its own error goes on.

    Args:
        what: what the block does, for the line of an interrupt: "removing sandbox iso-1".
    """
    guard = installed()
    if guard is None:
        yield
        return
    with guard.held(what):
        yield


@contextlib.contextmanager
def forwarding(name: str, send: Callable[[Signals], None]) -> Iterator[None]:
    """
    Hand signals on to a child during a `with` block that waits for it, and do not interrupt the block.

    Start the child in `undoing()`: a signal that comes before this block is then handed on too.

    Args:
        name: the child's name, for the line.
        send: sends a signal to the child; called in a thread.
    """
    guard = installed()
    if guard is None:
        yield
        return
    with guard.held(f"waiting for '{name}'", send):
        yield
