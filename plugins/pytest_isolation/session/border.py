"""The border of a pytest session: what the environment does not allow is one line, without INTERNALERROR.

In: pytest's hooks around a session.
Out: one line on standard error, and exit status 4; exit status 1 if what was printed did not arrive.
The results are written also if nothing can be printed.  A bug stays an INTERNALERROR of pytest, with its traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Generator

import pytest

from provisioner.faults.explain import explain
from provisioner.faults.streams import Output, open_closed_streams, print_error
from pytest_isolation.escape import escape


class Border:
    """The hooks of one session; a plugin that is registered before pytest is configured."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """End the session by one line if the environment explains the error."""
        known = explain(excinfo.value)
        if known is not None:
            pytest.exit(escape(str(known)), returncode=pytest.ExitCode.USAGE_ERROR)


def run_session() -> Generator[None, int | pytest.ExitCode, int | pytest.ExitCode]:
    """
    Run a session around its `yield`; return its exit status.

    Raises:
        pytest.UsageError: the environment does not allow to end it in order; or as the session does.
    """
    stream = sys.stdout
    output = Output(stream)
    open_closed_streams()
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
            sys.stdout = stream or output  # pytest flushes it
    if output.why_lost:
        print_error(f"isolation: {output.why_lost}")
    lost = output.error is not None and status == pytest.ExitCode.OK
    return pytest.ExitCode.TESTS_FAILED if lost else status
