"""One machine as libvirt knows it, below Vagrant: to find its process, and to clear away what a dead Vagrant left.

In: a lab's libvirt and a machine's name.  Out: its hypervisor's pid.  Called by vagrant.py; and as
`python -m provisioner.machines.domain LAB-FOLDER NAME halted|absent` by a journal that is undone.  Vagrant that is
killed half-way leaves a domain that it does not know, and refuses to make another one of that name.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Literal

from provisioner.connection import last_line
from provisioner.errors import IsolationError
from provisioner.machines.labnet import LabNet
from provisioner.machines.libvirt import PREFIX, Libvirt

POOL = "default"
GONE = ("not found", "failed to get domain", "not running")


class Domain:
    """
    One domain of a lab's libvirt.

    Args:
        libvirt: the lab's.
        vagrant: the folder of the lab's Vagrant.
        name: the machine's name in lab.yaml.
    """

    def __init__(self, libvirt: Libvirt, vagrant: Path, name: str) -> None:
        self.libvirt = libvirt
        self.name = f"{PREFIX}{name}"
        self._known = vagrant / "dotfile" / "machines" / name

    @property
    def known_to_vagrant(self) -> bool:
        """Tell whether Vagrant has made it and knows it."""
        return (self._known / "libvirt" / "id").exists()

    def pid(self) -> int | None:
        """Return its hypervisor's process, None when it does not run."""
        return self.libvirt.vmm_pid(self.name)

    def snapshots(self) -> list[str]:
        """Return the names of its snapshots."""
        done = self.libvirt.virsh("snapshot-list", self.name, "--name")
        return [] if done.returncode else [line.strip() for line in done.stdout.splitlines() if line.strip()]

    def stop(self) -> None:
        """Switch it off; not there or off already is fine."""
        self._virsh("destroy", self.name)

    def remove(self) -> None:
        """Take away the domain, its disk and what Vagrant knows of it; not there is fine."""
        self.stop()
        self._virsh("undefine", self.name, "--snapshots-metadata", "--remove-all-storage")
        self.libvirt.virsh("vol-delete", f"{self.name}.img", "--pool", POOL)  # made before the domain is
        shutil.rmtree(self._known, ignore_errors=True)

    def _virsh(self, *argv: str) -> None:
        done = self.libvirt.virsh(*argv)
        if done.returncode and not any(word in done.stderr for word in GONE):
            raise IsolationError(f"cannot run 'virsh {argv[0]}': {last_line(done.stderr.encode())}", log=done.stderr)


def undo(lab: Path, name: str, to: Literal["halted", "absent"]) -> None:
    """Put a machine back to what it was before a start that did not end."""
    libvirt = Libvirt(LabNet(lab))
    if not libvirt.is_up():
        return  # it ended with the lab's namespace, or does not run
    domain = Domain(libvirt, lab / "vagrant", name)
    if to == "absent":
        domain.remove()
    else:
        domain.stop()


if __name__ == "__main__":
    try:
        undo(Path(sys.argv[1]), sys.argv[2], "absent" if sys.argv[3] == "absent" else "halted")
    except IsolationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None
