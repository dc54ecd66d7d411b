"""The host of a sandbox as a check reads it.

In: a `Record`.
Out: `HostView`.
"""

from __future__ import annotations

from provisioner.errors import UnobservedFact
from provisioner.facts.document import Facts
from provisioner.facts.process import Process
from provisioner.facts.system import System
from pytest_isolation.records.namespaces import NamespaceView
from pytest_isolation.records.record import Record


class HostView:
    """The host's view of itself."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def __repr__(self) -> str:
        return f"<host of {self._record.target.id}>"

    @property
    def facts(self) -> Facts:
        """
        The whole document.

        Raises:
            UnobservedFact: the host could not be observed.
        """
        return self._record.host

    @property
    def namespaces(self) -> NamespaceView:
        """The namespaces of the host's own processes, as comparable identities."""
        return NamespaceView(self.facts, self.facts.boot_id)  # of a host elsewhere: those of its kernel

    @property
    def process(self) -> Process:
        """The host's probe as a process."""
        return self.facts.process

    @property
    def system(self) -> System:
        """The system as the host's probe sees it, with the same tries as a control."""
        if self.facts.system is None:
            why = self._elsewhere or "the host's view holds no system part"
            raise UnobservedFact("host.system", "", why)
        return self.facts.system

    @property
    def boot_id(self) -> str:
        """
        The boot id of the host's kernel (random(4)).

        Raises:
            UnobservedFact: the sandbox is on another machine: its kernel is known only from inside.
        """
        if self._elsewhere:
            raise UnobservedFact("host.boot_id", "", self._elsewhere)
        return self.facts.boot_id

    @property
    def _elsewhere(self) -> str:
        return self._record.target.conditions.elsewhere or ""
