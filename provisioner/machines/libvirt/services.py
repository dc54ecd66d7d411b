"""Runs the lab's network and libvirtd for as long as a machine needs them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.machines.libvirt.daemon import Libvirt


@contextlib.contextmanager
def lab_services(libvirt: Libvirt, run: Run, kvm: bool) -> Iterator[None]:
    """
    Have network and libvirtd run during a `with` block; afterwards they end unless a machine of the lab runs.

    Args:
        libvirt: the lab's libvirt, with its network.
        run: the journal that records them during the block.
        kvm: whether libvirt's guests may use KVM.

    Raises:
        IsolationError: they cannot be started.
    """
    entries: list[UndoEntry] = []
    try:
        entries += libvirt.net.up(run)
        entries += libvirt.up(run, kvm)
        yield
    finally:
        if not libvirt.busy():
            libvirt.down()
            libvirt.net.down()
        for entry in entries:
            run.gone(entry)
