"""The border of a program: no traceback leaves it.

In: a main function.  Out: an exit status, and for each error one line on standard error.
A bug of ours is one line too; its traceback is in a file of the state folder.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable

from provisioner.errors import one_line
from provisioner.faults.explain import explain
from provisioner.faults.streams import Output, open_closed_streams, print_error

BUGS = "bugs"  # a folder below the state folder


def run_reported(program: str, main: Callable[[], object], failed: int = 1) -> str | int | None:
    """
    Run a program's main function; an error of it is one line.

    Args:
        program: the name at the beginning of each line.
        main: runs the command line; it may raise SystemExit.
        failed: the exit status after an error.

    Returns:
        The exit status as SystemExit holds it: that of `main`, or `failed` after an error, also if what was printed
        did not arrive.
    """
    open_closed_streams()
    stream = sys.stdout
    output = Output(stream)
    sys.stdout = output
    try:
        status, line = _run(main, failed)
    finally:
        output.flush()
        if sys.stdout is output:
            sys.stdout = stream
    line = line or output.why_lost
    if line:
        print_error(f"{program}: {line}")
    return failed if output.error is not None else status


def _run(main: Callable[[], object], failed: int) -> tuple[str | int | None, str]:
    """Return the exit status, and the line of an error."""
    try:
        main()
    except SystemExit as done:
        return done.code, ""
    except Exception as error:
        return failed, _line_of(error)
    return None, ""


def _line_of(error: BaseException) -> str:
    known = explain(error)
    if known is not None:
        return str(known)
    return f"bug in pytest-isolation: {_shown(error)}; please report it with {_save_traceback(error)}"


def _shown(error: BaseException) -> str:
    text = one_line(" ".join(str(error).split())[:200])
    return f"{type(error).__name__}: {text}".removesuffix(": ")


def _save_traceback(error: BaseException) -> str:
    """Write the traceback to a file of the state folder; return where it is."""
    from provisioner.paths import state_dir

    text = "".join(traceback.format_exception(error))
    name = f"{time.strftime('%Y%m%dT%H%M%S')}-{type(error).__name__}.txt"
    try:
        folder = state_dir() / BUGS
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / name
        path.write_text(f"{sys.argv}\n{text}", "utf-8", "backslashreplace")
    except Exception:  # the environment may be broken too
        print_error(text.rstrip())
        return "the traceback above"
    return f"'{path}'"
