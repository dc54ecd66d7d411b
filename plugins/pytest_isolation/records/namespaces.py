"""The namespaces of a process as identities that can be compared, also between machines.

In: facts, and the boot id of their kernel.
Out: `NamespaceView` and `Namespace`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from provisioner.facts.document import Facts
from provisioner.facts.namespaces import NAMESPACES


@dataclass(frozen=True)
class Namespace:
    """A namespace's identity: the kernel's boot id and the inode in it.  Two are the same when both are equal."""

    boot_id: str
    inode: int | None

    def __str__(self) -> str:
        return f"{self.inode} of kernel {self.boot_id[:8]}"


class NamespaceView:
    """
    The namespaces of one process as `Namespace`s, one attribute for each kind of namespaces(7).

    Args:
        facts: the document of the process.
        boot_id: the boot id of its kernel.
        host_inode: returns the inode of the host's namespace of a kind if another task of the sandbox is in it, or its
            sentry, else None. In the first case this namespace counts for the whole sandbox.
        host_boot_id: the boot id of the host's kernel, if it is another one.
    """

    def __init__(
        self,
        facts: Facts,
        boot_id: str,
        host_inode: Callable[[str], int | None] | None = None,
        host_boot_id: str = "",
    ) -> None:
        self._facts = facts
        self._boot_id = boot_id
        self._host_inode = host_inode
        self._host_boot_id = host_boot_id or boot_id

    def __getattr__(self, name: str) -> Namespace:
        if name not in NAMESPACES:
            raise AttributeError(name)
        inode = getattr(self._facts.process.namespaces, name)
        host_inode = self._host_inode(name) if self._host_inode else None
        if host_inode is not None:
            return Namespace(self._host_boot_id, host_inode)
        return Namespace(self._boot_id, inode)

    def __iter__(self) -> Any:
        """Yield (kind, Namespace) for each kind that could be observed and that this kernel has."""
        for name in NAMESPACES:
            inode = self._facts.process.namespaces.raw(name)
            if isinstance(inode, int):
                yield name, Namespace(self._boot_id, inode)
