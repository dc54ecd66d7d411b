"""A host's files as a run uses them, and the journal's entries for what the run makes there.

In: paths and bytes.  Out: the interface `HostFiles`, and `LocalFiles` for this machine.  Nothing is started, and
nothing here depends on a runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from provisioner.connection.local import Connection, LocalConnection
from provisioner.errors import IsolationError
from provisioner.faults.explain import failed
from provisioner.files.folder import Folder
from provisioner.images import image
from provisioner.images.busybox import Shell
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.journal.undo import remove_path
from provisioner.linux.cgroups import delete_cgroup
from provisioner.linux.mounts import MountPoint, read_mounts
from provisioner.paths import cache_dir, run_dir, state_dir
from provisioner.probe.build import BuiltProbe


class HostFiles(Protocol):
    """
    The files of one host.

    Attributes:
        connection: runs commands on the host.
        cache, state, run: the project's folders there; provisioner.paths has those of this machine.
        remembers: whether commands there get this process's environment, by which clients find their daemons.
        watched: sysctls that must not change during a run.
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
        """Return the host's mounts."""

    def make_folder(self, path: Path, mode: int) -> None:
        """Make a folder with exactly this mode, and its parents; one that exists is not changed."""

    def read(self, path: Path) -> bytes:
        """Return a file's content; IsolationError if it cannot be read."""

    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        """
        Write a file.

        Args:
            path: the file.
            data: its content.
            mode: its exact mode, whatever the umask is.

        Raises:
            IsolationError: it cannot be written.
        """

    def hand_over(self, path: Path, uid: int) -> None:
        """Give a file to a user, who alone may then read and write it; IsolationError if it cannot be given."""

    def delete(self, path: Path) -> bool:
        """Delete a folder of ours with all below it; a missing one is ignored.  False if something is left."""

    def install_probe(self, probe: BuiltProbe) -> Path:
        """Put the probe on the host unless it is there, and return its path; all runs share it."""

    def make_rootfs(
        self, probe: BuiltProbe, shell: Shell | None, name: str = "", further: Sequence[image.Item] = ()
    ) -> Path:
        """
        Make a root folder with the probe unless it exists.

        Args:
            probe: the probe.
            shell: a BusyBox for /bin, or None.
            name: the folder's name in the cache; "" for the one that all runs share.
            further: additional entries; such a folder has a name, and its maker deletes it.

        Returns:
            Its path.

        Raises:
            IsolationError: it cannot be made.
        """

    def delete_cgroups(self, folders: Sequence[Path]) -> None:
        """Kill the processes in cgroups of ours, and delete the cgroups with all below them."""

    def made_command(self, run: Run, argv: Sequence[str], env: Mapping[str, str]) -> UndoEntry:
        """
        Record in the journal the command that deletes a thing; call it before the thing is made.

        Args:
            run: the journal.
            argv: the command.
            env: variables that the command needs.
        """

    def made_folder(self, run: Run, path: Path) -> UndoEntry:
        """Record a folder of ours in the journal; call it before the folder is made."""

    def made_cgroups(self, run: Run, folders: Sequence[Path]) -> list[UndoEntry]:
        """Record cgroups of ours in the journal; call it before they are made."""

    def made_canaries(self, run: Run, probe: Path, key: int, name: str) -> UndoEntry:
        """
        Record canaries in the journal; call it before they are made.

        Args:
            run: the journal.
            probe: the probe's path on this host.
            key: the key of the shared memory segment.
            name: the name of the message queue.
        """


class LocalFiles:
    """The files of this machine, as this user."""

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
        try:
            Folder.make(path, mode).close()
        except OSError as error:
            raise failed(f"cannot make '{path}'", error) from None

    def read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise IsolationError(f"cannot read '{path}': {error.strerror}") from None

    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        try:
            with Folder.open(path.parent) as folder:
                folder.write_whole(path.name, data, mode)
        except OSError as error:
            raise failed(f"cannot write '{path}'", error) from None

    def hand_over(self, path: Path, uid: int) -> None:
        try:
            with Folder.open(path.parent) as folder:
                folder.hand_over(path.name, uid, uid, 0o600)
        except OSError as error:
            raise failed(f"cannot give '{path}' to uid {uid}", error) from None

    def delete(self, path: Path) -> bool:
        try:
            remove_path(path)
        except (OSError, IsolationError):
            return False
        return True

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
    """Return the name of the root folder that holds a probe and a shell; other contents have another name."""
    return f"rootfs-{probe.hash}" + (f"-{shell.hash}" if shell else "")
