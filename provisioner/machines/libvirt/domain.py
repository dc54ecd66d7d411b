"""One machine as libvirt knows it, below Vagrant: to find its process, and to clear away what a dead Vagrant left.

In: a lab's libvirt and a machine's name.  Out: its hypervisor's pid, its state, its snapshots.  Vagrant that
is killed half-way leaves a domain that it does not know, and refuses to make another one of that name.
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

    def state(self) -> str:
        """Return libvirt's own word for its state, "" when it knows no such domain."""
        done = self.libvirt.virsh("domstate", self.name)
        return "" if done.returncode else done.stdout.strip()

    def address(self) -> str | None:
        """Return the address that the lab's network gave it, None before it did."""
        done = self.libvirt.virsh("domifaddr", self.name, "--source", "lease")
        found = [ADDRESS.search(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []
        return next((match[1] for match in found if match), None)

    def snapshots(self) -> list[str]:
        """Return the names of its snapshots, as libvirt's files have them: it need not run for that."""
        folder = self.libvirt.directory / "lib" / "qemu" / "snapshot" / self.name
        return sorted(path.stem for path in folder.glob("*.xml"))

    def delete_snapshot(self, tag: str) -> None:
        """Delete one of its snapshots; not there is fine."""
        self._virsh("snapshot-delete", self.name, tag)

    def change(self, driver: str, cmdline: str | None) -> None:
        """Change what runs a halted domain, and its command line: Vagrant reads both only when it makes one."""
        shown = self._virsh("dumpxml", "--inactive", "--security-info", self.name)
        domain = ElementTree.fromstring(shown)
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
        """Switch it off; not there or off already is fine."""
        self._virsh("destroy", self.name)

    def remove(self) -> None:
        """Take away the domain, its disk and what Vagrant knows of it; not there is fine."""
        self.stop()
        self._virsh("undefine", self.name, "--snapshots-metadata", "--remove-all-storage")
        self.libvirt.virsh("vol-delete", f"{self.name}.img", "--pool", POOL)  # made before the domain is
        shutil.rmtree(self._known, ignore_errors=True)

    def _virsh(self, *argv: str) -> str:
        done = self.libvirt.virsh(*argv)
        if done.returncode and not any(word in done.stderr for word in GONE):
            raise IsolationError(f"cannot run 'virsh {argv[0]}': {last_line(done.stderr.encode())}", log=done.stderr)
        return done.stdout


def reset_machine(lab: Path, name: str, to: Literal["halted", "absent"]) -> None:
    """Put a machine back to what it was before a start that did not end."""
    libvirt = Libvirt(LabNet(lab))
    if not libvirt.is_up():
        return  # it ended with the lab's namespace, or does not run
    domain = Domain(libvirt, lab / "vagrant", name)
    if to == "absent":
        domain.remove()
    else:
        domain.stop()
