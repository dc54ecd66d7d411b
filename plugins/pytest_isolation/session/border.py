"""The border of a pytest session: what the environment does not allow is one line, without INTERNALERROR.

In: pytest's hooks around a session.
Out: one line on standard error, and exit status 4; exit status 1 if what was printed did not arrive.
The results are written also if nothing can be printed.  A bug stays an INTERNALERROR of pytest, with its traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator

import pytest

from provisioner.faults.explain import explain
from provisioner.faults.streams import Output, open_closed_streams, print_error
from pytest_isolation.escape import escape


class Border:
    """
    The hooks of one session; a plugin that is registered before pytest is configured.

    Attributes:
        not_closed: why something that the session made could not be removed.
    """

    def __init__(self) -> None:
        self.not_closed: list[str] = []

    def close(self, close: Callable[[], None]) -> None:
        """Close the session; an error must not hide the one that ended it."""
        try:
            close()
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            self.not_closed.append(escape(str(known)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """End the session by one line if the environment explains the error."""
        known = explain(excinfo.value)
        if known is not None:
            pytest.exit(escape(str(known)), returncode=pytest.ExitCode.USAGE_ERROR)


def run_session(border: Border) -> Generator[None, int | pytest.ExitCode, int | pytest.ExitCode]:
    """
    Run a session around its `yield`; return its exit status.

    Args:
        border: the hooks of the session.

    Raises:
        pytest.UsageError: the environment does not allow to end it in order; or as the session does.
    """
    open_closed_streams()
    stream = sys.stdout
    output = Output(stream)
    sys.stdout = output  # pytest's terminal reporter takes it from here
    try:
        status = yield
    except pytest.UsageError:
        raise
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        raise pytest.UsageError(escape(str(known))) from None
    finally:
        output.flush()
        if sys.stdout in (output, None):
            sys.stdout = stream  # pytest flushes it
        for line in filter(None, [*border.not_closed, output.why_lost]):
            print_error(f"isolation: {line}")
    if border.not_closed and status == pytest.ExitCode.OK:
        return pytest.ExitCode.USAGE_ERROR
    lost = output.error is not None and status == pytest.ExitCode.OK
    return pytest.ExitCode.TESTS_FAILED if lost else status
