"""A host's own files as a run uses them, and how what it made there is undone later.

In: paths and bytes.  Out: `HostFiles`, the protocol, and `LocalFiles`, this machine.  Called by host.py and sandbox.py;
ssh_site.py is the same on a machine over SSH.  Knows nothing of runtimes; starts nothing but what undoes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from provisioner.connection.local import Connection, LocalConnection
from provisioner.errors import IsolationError
from provisioner.images import image
from provisioner.images.busybox import Shell
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.linux.cgroups import delete_cgroup
from provisioner.linux.mounts import MountPoint, read_mounts
from provisioner.paths import cache_dir, run_dir, state_dir
from provisioner.probe.build import BuiltProbe


class HostFiles(Protocol):
    """
    Where a run puts its things on a host.

    Attributes:
        connection: where commands run.
        cache, state, run: the project's folders there, as provisioner.paths has them for this machine.
        remembers: whether this process's environment counts there: clients find their daemons by it.
        watched: sysctls that must not change there during a run.
    """

    @property
    def connection(self) -> Connection: ...
    @property
    def cache(self) -> Path: ...
    @property
    def state(self) -> Path: ...
    @property
    def run(self) -> Path: ...
    @property
    def remembers(self) -> bool: ...
    @property
    def watched(self) -> tuple[str, ...]: ...

    def mounts(self) -> list[MountPoint]:
        """Return what is mounted there."""

    def make_folder(self, path: Path, mode: int) -> None:
        """Make a folder with exactly this mode, and those above it; one that is there stays as it is."""

    def read(self, path: Path) -> bytes:
        """Return a file's content; IsolationError when it cannot be read."""

    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        """Write a file whole."""

    def delete(self, path: Path) -> None:
        """Remove a folder of ours with all below it; not there is fine."""

    def install_probe(self, probe: BuiltProbe) -> Path:
        """Have the probe there, once for all runs, and return its path."""

    def make_rootfs(
        self, probe: BuiltProbe, shell: Shell | None, name: str = "", further: Sequence[image.Item] = ()
    ) -> Path:
        """
        Have the folder of provisioner.images.image.rootfs there, and return its path.

        Without a name it is one for all runs; one with further things has a name of its own, and its maker deletes it.
        """

    def delete_cgroups(self, folders: Sequence[Path]) -> None:
        """Remove cgroups of ours with all below them, and end what still runs there."""

    def made_command(self, run: Run, argv: Sequence[str], env: Mapping[str, str]) -> UndoEntry:
        """Write into the run's journal the command that takes a thing away, before it is made."""

    def made_folder(self, run: Run, path: Path) -> UndoEntry:
        """Write a folder of ours into the run's journal, before it is made."""

    def made_cgroups(self, run: Run, folders: Sequence[Path]) -> list[UndoEntry]:
        """Write cgroups of ours into the run's journal, before they are made."""

    def made_canaries(self, run: Run, probe: Path, key: int, name: str) -> UndoEntry:
        """
        Write canaries into the run's journal, before they are made.

        Args:
            run: the journal.
            probe: the probe's path on this host.
            key: of the shared memory segment.
            name: of the message queue.
        """


class LocalFiles:
    """This machine, as this user."""

    def __init__(self) -> None:
        self.connection: Connection = LocalConnection()
        self.cache = cache_dir()
        self.state = state_dir()
        self.run = run_dir()
        self.remembers = True
        self.watched: tuple[str, ...] = ("kernel/core_pattern", "kernel/panic", "net/ipv4/ip_forward")

    def mounts(self) -> list[MountPoint]:
        return read_mounts()

    def make_folder(self, path: Path, mode: int) -> None:
        if path.is_dir():
            return
        try:
            path.mkdir(parents=True)
            path.chmod(mode)  # whatever the umask
        except OSError as error:
            if not path.is_dir():  # else another run was quicker
                raise IsolationError(f"cannot make '{path}': {error.strerror}") from None

    def read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise IsolationError(f"cannot read '{path}': {error.strerror}") from None

    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        try:
            path.write_bytes(data)
            os.chmod(path, mode)
        except OSError as error:
            raise IsolationError(f"cannot write '{path}': {error.strerror}") from None

    def delete(self, path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)

    def install_probe(self, probe: BuiltProbe) -> Path:
        return probe.path

    def make_rootfs(
        self, probe: BuiltProbe, shell: Shell | None, name: str = "", further: Sequence[image.Item] = ()
    ) -> Path:
        path = self.cache / (name or rootfs_name(probe, shell))
        image.rootfs(probe.path, path, shell, further)
        return path

    def delete_cgroups(self, folders: Sequence[Path]) -> None:
        for folder in folders:
            delete_cgroup(folder)

    def made_command(self, run: Run, argv: Sequence[str], env: Mapping[str, str]) -> UndoEntry:
        return run.made("command", argv, env)

    def made_folder(self, run: Run, path: Path) -> UndoEntry:
        return run.made("path", path)

    def made_cgroups(self, run: Run, folders: Sequence[Path]) -> list[UndoEntry]:
        return [run.made("cgroup", folder) for folder in folders]

    def made_canaries(self, run: Run, probe: Path, key: int, name: str) -> UndoEntry:
        return run.made("verb", ["delete-canaries", str(key), name])


def rootfs_name(probe: BuiltProbe, shell: Shell | None) -> str:
    """Return the name of the root folder for a probe and a shell: what is in it is in its name."""
    return f"rootfs-{probe.hash}" + (f"-{shell.hash}" if shell else "")
