"""What is known of a sandbox behind a sentry: a process of the host that is its kernel (gVisor).

In: a `Record`.
Out: the identity of its kernel, and the namespace of the host that it reaches through the sentry.
The facts from inside are the sentry's.  The host sees the sentry's process as `vmm`, and no process of the sandbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provisioner.errors import UnobservedFact
from pytest_isolation.records.record import Record
from pytest_isolation.walls.served_sockets import in_shared_folders

if TYPE_CHECKING:
    from pytest_isolation.records.view import SandboxView


def sentry_kernel(record: Record, peer: bool) -> str:
    """
    Return the identity of a sentry: its process on the host.

    Args:
        record: the record.
        peer: whether the peer's is asked for, which is not observed.

    Raises:
        UnobservedFact: the process was not observed.
    """
    if peer:
        raise UnobservedFact("peer.vmm", "", "the sentry of the second sandbox was not observed")
    if record.vmm is None:
        raise UnobservedFact("vmm", "", "the host does not know its sentry's process")
    return f"sentry {record.vmm.process.pid} on {record.host.boot_id}"


def passed_through(record: Record, kind: str) -> int | None:
    """
    Return the inode of the host's namespace of a kind if the sandbox reaches it through its sentry, else None.

    With --network=host a sentry makes its calls on the host's sockets: gVisor docs, "Networking".

    Args:
        record: the record.
        kind: the kind of the namespace.
    """
    if kind != "net" or record.vmm is None:
        return None
    hosts = record.host.process.namespaces.net
    return hosts if record.vmm.process.namespaces.net == hosts else None


def refuse_passed_on(sandbox: SandboxView) -> None:
    """
    Refuse to tell whether sockets of the host are out of reach, if a sentry shows some.

    It passes connections on with --host-uds (gVisor, runsc flags).  Nothing connects to them.

    Raises:
        UnobservedFact: sockets lie in a folder of the host.
    """
    if sandbox.is_behind_sentry and (paths := in_shared_folders(sandbox.system.sockets, sandbox.process.mounts)):
        raise UnobservedFact("sockets", "", f"its sentry alone knows whether it passes on {', '.join(paths[:4])}")
