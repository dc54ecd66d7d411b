"""The provider that boots a box through Vagrant and libvirt, in the lab's own network.

In: a machine's specification, a box, the lab's folder.  Out: a `Machine`.  Called by the command line and the pool.
Vagrant makes, starts, freezes, restores and stops machines; what libvirt says at once (whether it runs, its address,
its snapshots) is not asked of Vagrant, whose every answer costs more than a second.  The lab's network and libvirtd
come up with the first machine and end with the last.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from provisioner.connection.address import SshAddress
from provisioner.connection.local import last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run, prune
from provisioner.machines.box.build import Box
from provisioner.machines.console import read_console
from provisioner.machines.libvirt.daemon import Libvirt
from provisioner.machines.libvirt.dhcp import reserve_address, sees_lease
from provisioner.machines.libvirt.domain import Domain
from provisioner.machines.libvirt.network import LabNet
from provisioner.machines.lock import hold_lock
from provisioner.machines.protocol import Status
from provisioner.machines.snapshots import check_snapshot_name
from provisioner.machines.vagrant.boxes import add_own, box_name, drop_half, drop_unused, link_known, mark_whole
from provisioner.machines.vagrant.lab_file import (
    VagrantSpec,
    choose_driver,
    hardware_address,
    hardware_mark,
    render_cmdline,
    render_known,
    render_own,
    write_entry,
)
from provisioner.machines.vagrant.login import Login, learn_login, load_login
from provisioner.machines.vagrant.program import VagrantProgram
from provisioner.machines.vagrant.state import Made, identify, load_made, made_file, save_made, used_boxes
from provisioner.machines.wait_ssh import set_clock
from provisioner.progress import step

CONSOLES = "/var/log/libvirt/consoles"  # as libvirtd sees it
PANIC = "Kernel panic - not syncing"


class VagrantMachine:
    """
    One machine of a lab, made by Vagrant.

    Args:
        spec: from lab.yaml.
        box: what it boots, where that is a box of our own and built; None for a box that Vagrant knows.
        directory: the lab's folder, which all of its machines share.
        run: whose journal knows of what is being started, and no longer.

    Example:
        >>> machine = VagrantMachine(spec, build_box(), lab.directory, run)  # doctest: +SKIP
        >>> machine.up()  # doctest: +SKIP
    """

    def __init__(self, spec: VagrantSpec, box: Box | None, directory: Path, run: Run) -> None:
        self.spec = spec
        self.box = box
        self.directory = directory
        self._run = run
        self._box_name = box_name(box) if box else spec.box
        self._net = LabNet(directory)
        self._libvirt = Libvirt(self._net)
        self._program = VagrantProgram(directory / "vagrant", run, enter=lambda: self._libvirt.enter)
        self._domain = Domain(self._libvirt, directory / "vagrant", spec.name)
        self._console = self._libvirt.directory / "log" / "consoles" / f"{spec.name}.log"
        self._learned = directory / f"{spec.name}.login"

    @property
    def name(self) -> str:
        return self.spec.name

    def up(self) -> None:
        if self.box is None and "/" not in self.spec.box:
            raise self._failure("start", "its box is not built", "provisioner box build")
        prune()  # what a killed start has left would be in the way, and its Vagrant may still be at it
        with self._locked("start"):
            if self._came_up():
                if self._same_hardware():
                    return
                with step(f"stop machine '{self.name}': lab.yaml gives it other hardware now"):
                    self._program.halt(self.name)
            to: Literal["halted", "absent"] = "halted" if self._fits() else "absent"
            self._reserve()
            with step(f"start machine '{self.name}' by Vagrant"), self._services(), self._undoing(to):
                address = self._prepare(to)
                self._program.up(self.name, self._watch)
                self._remember(address)
                mark_whole(self._program, self._box_name)
                drop_unused(self._program, self._libvirt, used_boxes(self.directory))

    def status(self) -> Status:
        if not self._domain.known_to_vagrant:
            return "absent"
        return "running" if self._runs() and self._domain.state() == "running" else "halted"

    def ssh(self) -> SshAddress:
        made, login = self._made, self._login()
        address = (made.address if made and made.address else self._domain.address()) if self._runs() else None
        if address is None or login is None:
            raise self._failure("reach", "it does not run")
        return SshAddress(address, login.port, login.user, login.private_key, login.host_key, str(self._net.path))

    def snapshot(self, name: str) -> None:
        tag = self._tag(name)
        with self._locked("snapshot"), step(f"save a snapshot of machine '{self.name}'"):
            if not self._came_up():
                raise self._failure("snapshot", "it does not run")
            if not self._same_hardware():
                raise self._failure("snapshot", "lab.yaml gives it other hardware than it runs with")
            self._program.save_snapshot(self.name, tag)
            self._delete_snapshots(name, keep=tag)

    def restore(self, name: str) -> bool:
        self._tag(name)
        with self._locked("restore"):
            if name not in self.snapshots():
                return False
            address = self._made.address if self._made else ""
            if address:
                self._reserve()
            with step(f"restore machine '{self.name}'"), self._services(), self._undoing("halted"):
                self._program.restore_snapshot(self.name, self._tag(name))
                set_clock(self.ssh(), self.directory / f"{self.name}.known_hosts", deadline("machine.restore"))
                self._remember(address)
        return True

    def snapshots(self) -> list[str]:
        """Return the names of those that fit its box and its hardware."""
        end = f"+{self._hardware}"
        tags = self._domain.snapshots() if self._fits() else []
        return [tag.removesuffix(end) for tag in tags if tag.endswith(end)]

    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot, whatever hardware it was frozen with."""
        with self._locked("delete a snapshot of"), self._services():
            self._delete_snapshots(name)

    def console(self) -> str:
        return read_console(self._console)

    def vmm_pid(self) -> int | None:
        return self._domain.pid()

    def down(self, destroy: bool = False) -> None:
        """Stop it; with `destroy`, for good: its disk and its snapshots go.  The last one ends the lab's network."""
        if not self._domain.known_to_vagrant or not (destroy or self.vmm_pid()):
            return
        with self._locked("stop"), step(f"stop machine '{self.name}' by Vagrant"), self._services():
            if destroy:
                self._forget()
                self._program.destroy(self.name)
                self._domain.remove()
            else:
                self._program.halt(self.name)

    def _reserve(self) -> str:
        """Return the address that the lab's network has for it; a box that Vagrant knows asks for one by itself."""
        return (reserve_address(self._libvirt, hardware_address(self.name)) or "") if self.box else ""

    def _prepare(self, to: str) -> str:
        """
        Give Vagrant its box and what it must know; take away what a start that was cut short has left.

        Returns:
            The address that it boots with; "" where it asks for one.
        """
        driver, console, cmdline = choose_driver(self.spec), f"{CONSOLES}/{self.name}.log", None
        address = self._reserve()
        if address and not sees_lease(self._libvirt, hardware_address(self.name), address):
            address = ""
        if self.box:
            cmdline = render_cmdline(self.spec, self.box, address)
        if to == "absent":
            self._forget()
            self._domain.remove()
        else:
            self._domain.stop()
            self._domain.change(driver, cmdline)
        if self.box and cmdline:
            add_own(self._program, self.box)
            entry = render_own(self.spec, self.box, cmdline, driver, console)
        else:
            link_known(self._program, self._box_name)
            entry = render_known(self.spec, driver, console)
        drop_half(self._program, self._libvirt, self._box_name)
        write_entry(self._program.lab_file, self.name, entry)
        self._console.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._console.unlink(missing_ok=True)
        return address

    @contextlib.contextmanager
    def _services(self) -> Iterator[None]:
        """Have the lab's network and libvirtd up; they end when no machine needs them, else they are the lab's."""
        records: list[UndoEntry] = []
        try:
            records += self._net.up(self._run)
            records += self._libvirt.up(self._run, kvm=choose_driver(self.spec) == "kvm")
            yield
        finally:
            if not self._libvirt.busy():
                self._libvirt.down()
                self._net.down()
            for record in records:
                self._run.gone(record)

    @contextlib.contextmanager
    def _undoing(self, to: Literal["halted", "absent"]) -> Iterator[None]:
        """Put the machine back to what it was when something fails; the journal does when this process is killed."""
        record = self._run.made("verb", ["reset-libvirt-machine", str(self.directory), self.name, to])
        try:
            yield
        except BaseException as error:
            console = self.console()
            self._domain.stop() if to == "halted" else self._domain.remove()
            self._run.gone(record)
            if isinstance(error, IsolationError) and console:
                what = f"{error.what}; its console ends: {last_line(console.encode())}"
                raise IsolationError(what, error.hint, f"{error.log}\n--- console\n{console}".strip()) from None
            raise
        self._run.gone(record)

    def _watch(self) -> None:
        """Do not wait for a guest that is dead: libvirt starts it again and again."""
        if PANIC in self.console():
            raise self._failure("start", "its kernel has panicked", "")
        self._reserve()  # what dnsmasq's helper writes at the same time as we is all that there is then

    def _remember(self, address: str) -> None:
        """Write down what it was made from, and which process it is now: it has come up."""
        if self._login() is None:
            config = self._program.ssh_config(self.name)
            learn_login(self._learned, self.name, config, self._domain.address() or config.host, self._net.enter)
        save_made(self.directory, self.name, Made(self._box_name, self._hardware, identify(self.vmm_pid()), address))

    def _forget(self) -> None:
        for file in (made_file(self.directory, self.name), self._learned):
            file.unlink(missing_ok=True)

    def _delete_snapshots(self, name: str, keep: str = "") -> None:
        for tag in self._domain.snapshots():
            if tag.rpartition("+")[0] == name and tag != keep:
                self._domain.delete_snapshot(tag)

    def _login(self) -> Login | None:
        box = self.box
        return Login(22, box.user, box.private_key, box.host_key) if box else load_login(self._learned)

    @property
    def _hardware(self) -> str:
        return hardware_mark(self.spec, choose_driver(self.spec))

    def _tag(self, name: str) -> str:
        check_snapshot_name(name)
        return f"{name}+{self._hardware}"

    @property
    def _made(self) -> Made | None:
        return load_made(self.directory, self.name)

    def _fits(self) -> bool:
        """Tell whether it has come up once, from this box."""
        return bool(self._domain.known_to_vagrant and self._made and self._made.box == self._box_name)

    def _came_up(self) -> bool:
        """Tell whether it has come up from this box, and runs since."""
        made = self._made
        return bool(made and self._fits() and self.status() == "running" and made.vmm == identify(self.vmm_pid()))

    def _same_hardware(self) -> bool:
        return self._made is not None and self._made.hardware == self._hardware

    def _runs(self) -> bool:
        return self.vmm_pid() is not None and self._libvirt.is_up()

    def _failure(self, verb: str, why: str, hint: str | None = None) -> IsolationError:
        mend = f"provisioner up {self.name}" if hint is None else hint
        return IsolationError(f"cannot {verb} machine '{self.name}': {why}", mend)

    @contextlib.contextmanager
    def _locked(self, verb: str) -> Iterator[None]:
        self.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        with hold_lock(self.directory, f"{verb} machine '{self.name}'", deadline("lab.wait")):
            yield
