"""A machine's disk: made over its box's, looked after, its snapshots listed and deleted, by qemu-img.

In: a machine's folder, a box.  Out: a `Disk`.  Called by qemu.py.  The disk is qcow2; a snapshot of memory and disk
lies in it under a tag, "NAME+HARDWARE".  What is changed or looked through here, no QEMU has open.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from provisioner.connection.local import Completed, LocalConnection
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.machines.box.build import Box
from provisioner.machines.qemu.command import DISK
from provisioner.machines.qemu.state import Made, load_made, save_made

WHOLE = (0, 3)  # qemu-img(1): no errors, or clusters that nobody uses, as a QEMU that was killed leaves them


class Disk:
    """
    The disk of one machine, with the record of how it was made.

    Args:
        directory: the machine's own.
    """

    def __init__(self, directory: Path) -> None:
        self.folder = directory / "vmm"
        self.path = self.folder / DISK
        self._file = directory / "machine.json"

    @property
    def made(self) -> Made | None:
        """How it was made and is reached; None for garbage too."""
        return load_made(self._file)

    def remember(self, made: Made) -> None:
        save_made(self._file, made)

    def exists(self) -> bool:
        return self.path.exists()

    def fits(self, box: Box | None) -> bool:
        """Tell whether it lies on this build of a box."""
        made = self.made
        return bool(made and box and self.exists() and (made.box, made.base) == (box.hash, identify(box.disk)))

    def why_anew(self, box: Box) -> str | None:
        """Return why it cannot be booted ("": it is not there); None when it can.  No QEMU has it open: 40 ms."""
        made = self.made
        if not self.exists():
            return ""
        if made is None:
            return "nobody knows which box its disk lies on"
        if not self.fits(box):
            return "its box is another one now"
        if not made.whole:
            return "its first start was cut off"
        return None if self.is_whole() else "its disk is damaged"

    def begin_anew(self, box: Box) -> None:
        """Make an empty disk over a box's; whatever was there goes."""
        self.delete()
        self.folder.mkdir(mode=0o700)
        done = _run("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(box.disk), str(self.path))
        if done.status != 0:
            raise IsolationError(f"cannot make disk '{self.path}': {done.last_words}")
        self.path.chmod(0o600)
        self.remember(Made(box=box.hash, base=identify(box.disk)))

    def delete(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self._file.unlink(missing_ok=True)

    def is_whole(self) -> bool:
        """Tell whether it was neither cut short nor written over; no QEMU has it open."""
        return _run("check", "-q", "-f", "qcow2", str(self.path)).status in WHOLE

    def tags(self, name: str = "") -> list[str]:
        """Return the tags of all snapshots, or of those of one name; also while QEMU has it open."""
        if not self.exists():
            return []
        done = _run("info", "--force-share", "--output=json", "-f", "qcow2", str(self.path))
        if done.status != 0:
            return []  # whoever boots it will see that it is damaged
        entries = json.loads(done.stdout).get("snapshots", [])
        found = [str(entry["name"]) for entry in entries]
        return [tag for tag in found if tag and (not name or tag.rpartition("+")[0] == name)]

    def delete_tag(self, tag: str) -> None:
        done = _run("snapshot", "-q", "-d", tag, str(self.path))
        if done.status != 0:
            raise IsolationError(f"cannot delete snapshot '{tag}' from '{self.path}': {done.last_words}")


def identify(base: Path) -> str:
    """Return what changes when a box's disk is built anew under the same name; "" when it is not there."""
    try:
        status = os.stat(base)
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def _run(*arguments: str) -> Completed:
    return LocalConnection().run(["qemu-img", *arguments], deadline("command"))
