"""Tells of a try who refused it, from what a record holds of the process that tried.

In: a Record and a row of the tries.  Out: words.  Called by evidence.py.  What counts as whose, walls/authors.py says.
"""

from __future__ import annotations

from provisioner.facts.document import Facts
from provisioner.observed import UnobservedFact
from pytest_isolation.records.record import Record
from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.capabilities import names_in
from pytest_isolation.walls.denied_by import Standing, author_of
from pytest_isolation.walls.seccomp.program import read_installed


def tell_author(record: Record, row: str) -> str:
    """
    Say which wall refused a try and what stands behind it, "" where none did or the kernel is the sandbox's own.

    Raises:
        UnobservedFact: the try, or what stood around it, was not observed.
    """
    sandbox = SandboxView(record)
    if not isinstance(record.raw("inside"), Facts) or not sandbox.shares_kernel:
        return ""
    host = sandbox.host.system
    answer, control = sandbox.system.tries[row].result, host.tries[row].result
    return author_of(row, answer, control, _standing(sandbox, host.kernel.machine))


def _standing(sandbox: SandboxView, machine: str) -> Standing:
    """Return what stands around the subject, who is the one that tried."""
    subject, host = sandbox.subject, sandbox.host.process
    held = names_in(subject.capabilities.effective)
    over_host = held if subject.namespaces.user == host.namespaces.user else frozenset[str]()
    try:
        installed = read_installed(subject, machine)
    except UnobservedFact:
        installed = None
    return Standing(installed, subject.seccomp.mode == 0, over_host, held, subject.lsm, host.lsm)
