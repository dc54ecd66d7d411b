"""The machine of these tests, into whose box the packages of all roles are baked; one for all files.

The files run in the order of their names: the first plan meets the machine as its box made it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_converge import NAMES, ROLES, machine_of, packages_of

from provisioner.connection.ssh import SshConnection
from provisioner.converge.apply import Applied, converge
from provisioner.machines.qemu.machine import QemuMachine


@pytest.fixture(scope="session")
def machine() -> Iterator[QemuMachine]:
    with machine_of("converge", packages_of(*NAMES)) as made:
        yield made


@pytest.fixture
def connection(machine: QemuMachine) -> Iterator[SshConnection]:
    made = SshConnection(machine.ssh(), machine.name)
    yield made
    made.close()


@pytest.fixture
def second(machine: QemuMachine) -> Iterator[SshConnection]:
    """Another connection to the same machine: somebody else's, or a hand in it while the first is busy."""
    made = SshConnection(machine.ssh(), machine.name)
    yield made
    made.close()


@pytest.fixture(scope="session")
def first(machine: QemuMachine) -> Applied:
    """The first apply of all roles."""
    made = SshConnection(machine.ssh(), machine.name)
    try:
        return converge(made, ROLES, {})
    finally:
        made.close()


@pytest.fixture
def applied(first: Applied, connection: SshConnection) -> SshConnection:
    """A machine to which all roles have been applied; who changes it mends it."""
    return connection
