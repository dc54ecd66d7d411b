"""The command `isolation`, also as `python -m pytest_isolation`.

It imports nothing before it handles signals: an interrupted import would show a traceback.
"""

import _signal  # type: ignore[import-not-found]  # the built-in part of signal, which takes 10 ms to import
import sys


def main() -> None:
    """Run the command line; Ctrl-C, SIGTERM and SIGHUP end it in order."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # until `run` handles it
    from provisioner.interrupt.program import run

    sys.exit(run("isolation", _main, failed=4))


def _main() -> None:
    from pytest_isolation.cli import main as run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
