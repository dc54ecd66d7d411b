"""One machine as libvirt knows it: its process, state and snapshots, and removal of what an interrupted Vagrant left.

In: a lab's libvirt and a machine's name.  Out: its hypervisor's pid, its state, its snapshots.  A Vagrant that is
killed during a start leaves a domain that Vagrant does not know, and Vagrant refuses to make another one of that name.
"""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Literal

from provisioner.connection.local import last_line
from provisioner.errors import IsolationError
from provisioner.machines.libvirt.daemon import PREFIX, Libvirt
from provisioner.machines.libvirt.network import LabNet

POOL = "default"
ADDRESS = re.compile(r"\sipv4\s+(\S+)/\d+")
GONE = ("not found", "failed to get domain", "not running", "no domain snapshot")


class Domain:
    """
    One domain of a lab's libvirt.

    Args:
        libvirt: the lab's libvirt.
        vagrant: the folder of the lab's Vagrant.
        name: the machine's name in lab.yaml.
    """

    def __init__(self, libvirt: Libvirt, vagrant: Path, name: str) -> None:
        self.libvirt = libvirt
        self.name = f"{PREFIX}{name}"
        self._known = vagrant / "dotfile" / "machines" / name

    @property
    def known_to_vagrant(self) -> bool:
        """Whether Vagrant has made the machine and knows it."""
        return (self._known / "libvirt" / "id").exists()

    def pid(self) -> int | None:
        """Return its hypervisor's pid, None if it does not run."""
        return self.libvirt.vmm_pid(self.name)

    def state(self) -> str:
        """Return its state in libvirt's words, "" if libvirt does not know the domain."""
        done = self.libvirt.virsh("domstate", self.name)
        return "" if done.returncode else done.stdout.strip()

    def address(self) -> str | None:
        """Return the address of its DHCP lease, None if it has none yet."""
        done = self.libvirt.virsh("domifaddr", self.name, "--source", "lease")
        matches = [ADDRESS.search(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []
        return next((match[1] for match in matches if match), None)

    def snapshots(self) -> list[str]:
        """Return the names of its snapshots from libvirt's files; libvirt need not run."""
        folder = self.libvirt.directory / "lib" / "qemu" / "snapshot" / self.name
        return sorted(path.stem for path in folder.glob("*.xml"))

    def delete_snapshot(self, tag: str) -> None:
        """Delete one of its snapshots; one that does not exist is ignored."""
        self._virsh("snapshot-delete", self.name, tag)

    def redefine(self, driver: str, cmdline: str | None) -> None:
        """
        Change a halted domain: Vagrant sets driver and command line only when it makes a domain.

        Args:
            driver: the libvirt driver.
            cmdline: the guest kernel's command line; None if the domain has a boot loader.
        """
        xml = self._virsh("dumpxml", "--inactive", "--security-info", self.name)
        domain = ElementTree.fromstring(xml)
        words = domain.find("os/cmdline")
        before = (domain.get("type"), words.text if words is not None else None)
        if before == (driver, cmdline):
            return
        domain.set("type", driver)
        if words is not None:
            words.text = cmdline
        file = self.libvirt.directory / "domain.xml"
        file.write_text(ElementTree.tostring(domain, encoding="unicode"))
        self._virsh("define", str(file))
        file.unlink()

    def stop(self) -> None:
        """Switch it off; one that does not run or does not exist is ignored."""
        self._virsh("destroy", self.name)

    def remove(self) -> None:
        """Delete the domain, its disk and Vagrant's record of it; what does not exist is ignored."""
        self.stop()
        self._virsh("undefine", self.name, "--snapshots-metadata", "--remove-all-storage")
        self.libvirt.virsh("vol-delete", f"{self.name}.img", "--pool", POOL)  # Vagrant makes the disk before the domain
        shutil.rmtree(self._known, ignore_errors=True)

    def _virsh(self, *argv: str) -> str:
        done = self.libvirt.virsh(*argv)
        if done.returncode and not any(word in done.stderr for word in GONE):
            raise IsolationError(f"cannot run 'virsh {argv[0]}': {last_line(done.stderr.encode())}", log=done.stderr)
        return done.stdout


def reset_machine(lab: Path, name: str, to: Literal["halted", "absent"]) -> None:
    """
    Undo an interrupted start, for a journal's entry.

    Args:
        lab: the lab's folder.
        name: the machine's name.
        to: the machine's status before the start.

    Raises:
        IsolationError: virsh fails.
    """
    libvirt = Libvirt(LabNet(lab))
    if not libvirt.is_up():
        return  # the machine ended with the lab's network
    domain = Domain(libvirt, lab / "vagrant", name)
    if to == "absent":
        domain.remove()
    else:
        domain.stop()
