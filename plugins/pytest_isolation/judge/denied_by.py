"""Explains what refused a try, from the record of the process that made it.

In: a Record and a row of the tries.  Out: words.  `pytest_isolation.walls.denied_by` decides.
"""

from __future__ import annotations

from provisioner.errors import UnobservedFact
from provisioner.facts.document import Facts
from pytest_isolation.records.record import Record
from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.capabilities import names_in
from pytest_isolation.walls.denied_by import Caller, denied_by
from pytest_isolation.walls.seccomp.program import read_installed


def explain_denial(record: Record, row: str) -> str:
    """
    Return which wall refused a try and what is behind it.

    Returns:
        The text; "" if no wall refused it, or if the sandbox has its own kernel.

    Raises:
        UnobservedFact: the try, or the process that made it, was not observed.
    """
    sandbox = SandboxView(record)
    if not isinstance(record.raw("inside"), Facts) or not sandbox.shares_kernel:
        return ""
    host = sandbox.host.system
    answer, control = sandbox.system.tries[row].result, host.tries[row].result
    return denied_by(row, answer, control, _caller(sandbox, host.kernel.machine))


def _caller(sandbox: SandboxView, machine: str) -> Caller:
    """Return what is known of the subject, which makes the tries."""
    subject, host = sandbox.subject, sandbox.host.process
    held = names_in(subject.capabilities.effective)
    over_host = held if subject.namespaces.user == host.namespaces.user else frozenset[str]()
    try:
        installed = read_installed(subject, machine)
    except UnobservedFact:
        installed = None
    return Caller(installed, subject.seccomp.mode == 0, over_host, held, subject.lsm, host.lsm)
