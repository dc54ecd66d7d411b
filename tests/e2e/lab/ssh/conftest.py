"""A real sshd on loopback, one for each module, and a connection to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import sshd
from fakes import wait_for

if TYPE_CHECKING:
    from provisioner.connection.ssh import SshConnection


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    if not sshd.is_there():
        pytest.skip("needs sshd and ssh-keygen: apt-get install --no-install-recommends openssh-server openssh-client")
    with sshd.serving(tmp_path_factory.mktemp("sshd")) as one:
        yield one


@pytest.fixture
def there(server: sshd.Sshd) -> Iterator[SshConnection]:
    from provisioner.connection.ssh import SshConnection

    wait_for(lambda: server.sessions() == [])  # sshd ends the session of a connection a little after it was closed
    connection = SshConnection(server.address, "debian12")
    with contextlib.closing(connection):
        yield connection
