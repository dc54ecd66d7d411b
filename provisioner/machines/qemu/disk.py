"""A machine's disk, handled by qemu-img: a qcow2 overlay over the box's disk, which holds the snapshots too.

In: a machine's folder, a box.  Out: a `Disk`.  A snapshot of memory and disk has the tag "NAME+HARDWARE".  qemu-img
must not change or check a disk that a running QEMU has open.  The guest's side may have written the disk, header
included: qemu-img runs as the disk's owner, never as root for an unprivileged QEMU, and within limits (CVE-2015-5162).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from provisioner.connection.local import Completed, LocalConnection
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.files.folder import Folder
from provisioner.machines.box.build import Box
from provisioner.machines.qemu.command import DISK, drop_privileges, unprivileged_uid
from provisioner.machines.qemu.folder import MODE, NAME, make_file, open_folder
from provisioner.machines.qemu.header import HEAD, names_others
from provisioner.machines.qemu.state import QemuState, load_state, save_state

STATE = "machine.json"
LIMITS = ["prlimit", f"--as={2 << 30}", "--cpu=120", "--"]  # bytes, seconds: qemu-img checks a whole disk in far less
INTACT = (0, 3)  # qemu-img(1), check: no errors, or only leaked clusters, as a killed QEMU leaves them


class Disk:
    """
    The disk of one machine, and the state that belongs to it.

    Args:
        directory: the machine's folder.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.folder = directory / NAME
        self.path = self.folder / DISK
        self._file = directory / STATE

    @property
    def state(self) -> QemuState | None:
        """The saved state, None if it is missing or invalid."""
        return load_state(self._file)

    def save_state(self, state: QemuState) -> None:
        """Save the state for the next command."""
        save_state(self._file, state)

    def exists(self) -> bool:
        """Tell whether there is a disk."""
        return self.path.exists()

    def fits(self, box: Box | None) -> bool:
        """Tell whether the disk is based on this build of a box."""
        state = self.state
        return bool(state and box and self.exists() and (state.box, state.base) == (box.hash, identify(box.disk)))

    def why_recreate(self, box: Box) -> str | None:
        """Return why the disk cannot be booted, "" if there is none, None if it can.  QEMU must not run; 40 ms."""
        state = self.state
        if not self.exists():
            return ""
        if state is None:
            return "its machine.json is missing or invalid"
        if not self.fits(box):
            return "its box has changed"
        if not state.whole:
            return "its first start was interrupted"
        return self.why_damaged(box)

    def why_damaged(self, box: Box) -> str | None:
        """Return why the disk cannot be used, "" if there is none, None if it can.  QEMU must not run."""
        with open_folder(self.directory) as folder:
            if not folder.status(DISK):
                return ""
            if names_others(folder.read(DISK, HEAD), str(box.disk)):
                return "it names other files than its box's disk"
        return None if self.is_intact() else "its disk is damaged"

    def recreate(self, box: Box) -> None:
        """Create an empty disk over a box's disk; the old one and its snapshots are deleted."""
        self.delete()
        uid = unprivileged_uid(self.directory, box.directory)
        with Folder.open(self.directory) as machine, machine.make_folder(NAME, MODE) as folder:
            make_file(folder, DISK, uid)
        done = self._run("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(box.disk), str(self.path))
        if done.status != 0:
            raise IsolationError(f"cannot create disk '{self.path}': {done.last_words}")
        self.save_state(QemuState(box=box.hash, base=identify(box.disk)))

    def delete(self) -> None:
        """Delete the disk, its snapshots and the saved state."""
        with Folder.open(self.directory) as machine:
            machine.delete(NAME)
            machine.delete(STATE)

    def is_intact(self) -> bool:
        """Tell whether the image is neither truncated nor corrupt.  QEMU must not run."""
        return self._run("check", "-q", "-f", "qcow2", str(self.path)).status in INTACT

    def tags(self, name: str = "") -> list[str]:
        """Return the tags of all snapshots, or of those of one name; works while QEMU runs too."""
        if not self.exists():
            return []
        done = self._run("info", "--force-share", "--output=json", "-f", "qcow2", str(self.path))
        if done.status != 0:
            return []  # the next start reports that the disk is damaged
        entries = json.loads(done.stdout).get("snapshots", [])
        tags = [str(entry["name"]) for entry in entries]
        return [tag for tag in tags if tag and (not name or tag.rpartition("+")[0] == name)]

    def delete_tag(self, tag: str) -> None:
        """Delete one snapshot.  QEMU must not run."""
        done = self._run("snapshot", "-q", "-d", tag, str(self.path))
        if done.status != 0:
            raise IsolationError(f"cannot delete snapshot '{tag}' from '{self.path}': {done.last_words}")

    def _run(self, *arguments: str) -> Completed:
        """Run qemu-img as the disk's owner."""
        with open_folder(self.directory) as folder:
            status = folder.status(DISK)
        uid = status.st_uid if status and os.geteuid() == 0 and status.st_uid != 0 else None
        argv = [*drop_privileges("tcg", uid), *LIMITS, "qemu-img", *arguments]
        return LocalConnection().run(argv, deadline("command"))


def identify(base: Path) -> str:
    """Return a text that changes when a box's disk is built again under the same name; "" if there is no such disk."""
    try:
        status = os.stat(base)
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"
