"""Stops one machine of a lab that nobody needs, for a journal that is undone: `python -m provisioner.machines.stop`.

In: the lab's file and the machine's name.  Out: exit status 0, or 1 and one line.  Called by undo.py's records alone.
It works without lab.yaml too: the lab's folder, which is named by that file's path, says what runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.machines.lab import Lab, load_lab
from provisioner.machines.usage import stop_unneeded


def main(arguments: Sequence[str]) -> int:
    """Stop it; where nothing is left of it, there is nothing to stop."""
    path, name = Path(arguments[0]), arguments[1]
    try:
        lab = load_lab(path)
    except IsolationError:
        lab = Lab(path=path, machines={})
    try:
        with Run.start() as run:
            stop_unneeded(lab, name, run)
    except IsolationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
