"""How Ctrl-C, SIGTERM and SIGHUP end a session: results first, then the sandboxes, never in the middle of either.

In: pytest's config.  Out: the exit status: pytest's own 2 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.  Signals
that a user's plugin handles stay with it.  A worker of pytest-xdist writes no lines: its controller does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType

import _pytest.config
import pytest

from provisioner.faults.explain import explain
from provisioner.faults.streams import open_closed_streams
from provisioner.interrupt.guard import Guard
from pytest_isolation.session.state import RUNS, STATE

GUARD: pytest.StashKey[Guard] = pytest.StashKey()
SESSION: pytest.StashKey[pytest.Session] = pytest.StashKey()


def guard_session(config: pytest.Config, worker: bool) -> None:
    """
    Handle the signals until the session's end.  Call it before what must be undone is registered as a cleanup.

    Args:
        config: pytest's config.
        worker: whether this is a worker of pytest-xdist.

    Raises:
        pytest.UsageError: there is no thread or no descriptor left for it.
    """
    if GUARD in config.stash:
        return
    with contextlib.ExitStack() as stack:
        try:
            output = None if worker else _errors(stack)
            guard = Guard("isolation", lambda number: _error(config, number), output, fresh=True)
            if not guard.install():
                return
        except (OSError, RuntimeError) as error:
            raise pytest.UsageError(str(explain(error) or error)) from None
        config.stash[GUARD] = guard
        opened = stack.pop_all()

    def end() -> None:
        guard.hold()
        state = config.stash.get(STATE, None)
        if guard.number is not None and not worker and state and config.getoption("numprocesses", None) is not None:
            state.hosts.undo_leftovers()  # pytest-xdist gives its workers 10 s to end what they made
        guard.drain()
        session = config.stash.get(SESSION, None)
        if session is not None and guard.number is not None:
            session.exitstatus = exit_status(guard.number)
        if not worker and not _is_program():  # the process goes on without pytest
            guard.restore()
            opened.close()

    config.add_cleanup(end)


def exit_status(number: signal.Signals) -> int:
    """Return pytest's exit status of a session that a signal ended."""
    return pytest.ExitCode.INTERRUPTED if number == signal.SIGINT else 128 + number


def begin_undoing(session: pytest.Session) -> None:
    """Interrupt nothing from now on: what follows writes results and ends sandboxes."""
    session.config.stash[SESSION] = session
    guard = session.config.stash.get(GUARD, None)
    if guard is not None:
        guard.hold()


def is_interrupted(session: pytest.Session) -> bool:
    """Tell whether the session ends before its tests did."""
    guard = session.config.stash.get(GUARD, None)
    return session.exitstatus == pytest.ExitCode.INTERRUPTED or (guard is not None and guard.number is not None)


def _errors(stack: contextlib.ExitStack) -> int:
    """Return a descriptor of our own for standard error: pytest may capture 2 when a line is written."""
    open_closed_streams()
    output = os.dup(2)
    stack.callback(os.close, output)
    return output


def _error(config: pytest.Config, number: signal.Signals) -> BaseException:
    if RUNS not in config.stash:  # pytest reads options and conftest.py, and shows a traceback for other errors
        return SystemExit(exit_status(number))
    if number == signal.SIGINT:
        return KeyboardInterrupt()
    return pytest.exit.Exception(f"ended by {number.name}", returncode=exit_status(number))


def _is_program() -> bool:
    """Tell whether this process is the command pytest, which ends when the session has ended."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        code = frame.f_code
        # console_main() until pytest 9.0, _console_main() since
        if code.co_filename == _pytest.config.__file__ and code.co_name.endswith("console_main"):
            return True
        frame = frame.f_back
    return False
