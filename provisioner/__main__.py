"""The command `provisioner`, also as `python -m provisioner`.

It imports only `signal` before it handles signals: an interrupted import would show a traceback.
"""

import signal
import sys


def main() -> None:
    """Run the command line; Ctrl-C, SIGTERM and SIGHUP end it in order."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `run` handles it
    from provisioner.interrupt.program import run

    sys.exit(run("provisioner", _main))


def _main() -> None:
    from provisioner.cli.main import app
    from provisioner.role_folders import find_own_roles

    find_own_roles()
    app()


if __name__ == "__main__":
    main()
