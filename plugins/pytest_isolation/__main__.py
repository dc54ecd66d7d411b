"""The command `isolation`, also as `python -m pytest_isolation`.

It imports only `signal` before it handles signals: an interrupted import would show a traceback.
"""

import signal
import sys


def main() -> None:
    """Run the command line; Ctrl-C, SIGTERM and SIGHUP end it in order."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `run` handles it
    from provisioner.interrupt.program import run

    sys.exit(run("isolation", _main, failed=4))


def _main() -> None:
    from provisioner.role_folders import find_own_roles
    from pytest_isolation.cli import main as run_command_line

    find_own_roles()
    run_command_line()


if __name__ == "__main__":
    main()
