"""The runtime whose role is checked, its host and its first sandbox.

In: a runtime's name.  Out: `Checked`.  The first sandbox is made once; if it cannot be made, each test that needs it is
skipped but the one that makes it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from provisioner.errors import IsolationError
from provisioner.hosts.host import Host
from provisioner.journal.needs import Needs
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec
from pytest_isolation.observe.hosts import Hosts
from pytest_isolation.targets.target import lack_of

PLAIN = Spec()


class Checked:
    """
    A runtime that is checked.

    Args:
        runtime: the runtime, with its option or variant.
        hosts: the hosts; only this machine is used.
    """

    def __init__(self, runtime: Runtime, hosts: Hosts) -> None:
        self.runtime = runtime
        self._hosts = hosts
        self._first: Sandbox | None = None
        self._failed: IsolationError | None = None

    @property
    def host(self) -> Host:
        """This machine."""
        return self._hosts.local

    @property
    def sandbox(self) -> Sandbox:
        """The first sandbox, started on first use.  Skips the test if it cannot be started."""
        try:
            return self.start()
        except IsolationError:
            pytest.skip("no sandbox: see test_it_starts_a_sandbox")

    def start(self) -> Sandbox:
        """
        Return the first sandbox; it is started once.

        Raises:
            IsolationError: it cannot be started, now or before.
        """
        if self._failed is not None:
            raise self._failed
        if self._first is None:
            try:
                self._first = self._create(Spec())
            except IsolationError as error:
                self._failed = error
                raise
        return self._first

    def create(self, spec: Spec = PLAIN) -> Sandbox:
        """Create a further sandbox, which the caller closes.  Skips the test if the first cannot be started."""
        assert self.sandbox
        with one_line():
            return self._create(spec)

    def _create(self, spec: Spec) -> Sandbox:
        if lack := lack_of(self.runtime):
            raise IsolationError(f"cannot start '{self.runtime.name}': {lack[0]}", lack[1])
        return Sandbox(self.host, self.runtime, spec)

    def end(self) -> None:
        """End the first sandbox."""
        if self._first is not None:
            self._first.close()


def open_checked(name: str) -> Iterator[Checked]:
    """Yield the runtime to check; end all that it made."""
    runtime = load_runtime(name)
    hosts = Hosts(needs=Needs(runtime.programs))
    checked = Checked(runtime, hosts)
    try:
        yield checked
    finally:
        checked.end()
        hosts.close()


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Fail the test with the line of an IsolationError, without a traceback."""
    try:
        yield
    except IsolationError as error:
        raise pytest.fail.Exception(f"{error}\n{error.log}".strip(), pytrace=False) from None
