"""Stops a machine that nobody needs, for a journal.

It works without lab.yaml too: the path of that file names the lab's folder, which shows what runs.
"""

from __future__ import annotations

from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.machines.lab import Lab, load_lab
from provisioner.machines.usage import stop_unneeded


def stop_machine(lab_file: Path, name: str) -> None:
    """
    Stop a machine unless the lab keeps it or a session uses it; unknown machines are ignored.

    Args:
        lab_file: the path of lab.yaml; the file may be missing or invalid.
        name: the machine's name.

    Raises:
        IsolationError: it does not stop.
    """
    try:
        lab = load_lab(lab_file)
    except IsolationError:
        lab = Lab(path=lab_file, machines={})
    with Run.start() as run:
        stop_unneeded(lab, name, run)
