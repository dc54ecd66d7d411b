"""The verbs by which a journal undoes what only this package can undo: `python -m provisioner.cli.undo VERB ARGS`.

provisioner/journal/entry.py lists the verbs and their arguments; they are part of the journal's format.  A verb that
finds nothing to undo succeeds.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from provisioner.errors import IsolationError
from provisioner.faults.report import run_reported
from provisioner.journal.entry import Verb


def run_verb(words: Sequence[str]) -> int:
    """
    Undo one thing.

    Args:
        words: the verb and its arguments.

    Returns:
        The exit status.

    Raises:
        IsolationError: it cannot be undone, the verb is unknown, or its arguments are wrong.
    """
    name = words[0] if words else ""
    verb = next((verb for verb in VERBS if verb == name), None)
    if verb is None:
        raise IsolationError(f"cannot undo '{name}': unknown verb", "prune with the version that wrote the journal")
    try:
        inspect.signature(VERBS[verb]).bind(*words[1:])
    except TypeError as error:
        raise IsolationError(f"cannot undo '{verb}': {error}") from None
    return VERBS[verb](*words[1:]) or 0


def _end_process(file: str) -> None:
    from provisioner.machines.daemonize import end_detached

    end_detached(Path(file))


def _stop_machine(lab_file: str, name: str) -> None:
    from provisioner.machines.stop import stop_machine

    stop_machine(Path(lab_file), name)


def _reset_libvirt_machine(lab: str, name: str, state: str) -> None:
    from provisioner.machines.libvirt.domain import reset_machine

    reset_machine(Path(lab), name, _state(state))


def _reset_vagrant_machine(lab: str, name: str, hypervisor: str, state: str) -> None:
    from provisioner.machines.vagrant.other_providers import reset_machine

    reset_machine(Path(lab), name, hypervisor, _state(state))


def _delete_canaries(key: str, name: str) -> int:
    from provisioner.probe.build import probe_binary

    # the run that made them had a probe; to delete them no compiler is fetched
    return subprocess.run([str(probe_binary(fetch=False).path), "canaries", "delete", key, name]).returncode


def _run_over_ssh(address: str, name: str, *argv: str) -> int:
    from provisioner.hosts.ssh_undo import run_over_ssh

    return run_over_ssh(address, name, argv)


def _state(text: str) -> Literal["halted", "absent"]:
    return "absent" if text == "absent" else "halted"


VERBS: dict[Verb, Callable[..., int | None]] = {
    "end-process": _end_process,
    "stop-machine": _stop_machine,
    "reset-libvirt-machine": _reset_libvirt_machine,
    "reset-vagrant-machine": _reset_vagrant_machine,
    "delete-canaries": _delete_canaries,
    "run-over-ssh": _run_over_ssh,
}


def main() -> None:
    """Undo what the arguments name; an error is one line on standard error and exit status 1."""
    sys.exit(run_reported("provisioner", lambda: sys.exit(run_verb(sys.argv[1:]))))


if __name__ == "__main__":
    main()
