"""Stops one machine of a lab, for a journal that is undone: `python -m provisioner.machines.stop LAB-FILE NAME`.

In: the lab's file and the machine's name.  Out: exit status 0, or 1 and one line.  Called by undo.py's records alone.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.journal import Run
from provisioner.lab import load_lab
from provisioner.machines.lookup import find_machine


def main(arguments: Sequence[str]) -> int:
    """Stop it; a lab, a machine or a box that is not there any more has nothing that runs."""
    try:
        with Run.start() as run:
            find_machine(load_lab(Path(arguments[0])), arguments[1], run).down()
    except IsolationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
