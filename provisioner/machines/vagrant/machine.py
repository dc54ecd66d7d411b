"""The provider that boots a box through Vagrant and libvirt, in the lab's own network.

In: a machine's configuration, a box, the lab's folder.  Out: a `Machine`.  Vagrant makes, starts, snapshots, restores
and stops machines.  Whether a machine runs, its address and its snapshots come from libvirt at once: an answer of
Vagrant takes more than a second.  The lab's network and libvirtd start with the first machine and end with the last.
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
from provisioner.journal.needs import MACHINES
from provisioner.journal.prune import prune
from provisioner.journal.run import Run
from provisioner.machines.box.build import Box
from provisioner.machines.console import read_console
from provisioner.machines.libvirt.daemon import Libvirt
from provisioner.machines.libvirt.dhcp import reserve_address, sees_lease
from provisioner.machines.libvirt.domain import Domain
from provisioner.machines.libvirt.network import LabNet
from provisioner.machines.libvirt.services import lab_services
from provisioner.machines.lock import hold_lock
from provisioner.machines.protocol import Status
from provisioner.machines.snapshots import check_snapshot_name
from provisioner.machines.vagrant.boxes import (
    add_built_box,
    box_name,
    delete_incomplete_copies,
    delete_unused,
    link_user_box,
    mark_complete,
)
from provisioner.machines.vagrant.lab_file import (
    VagrantSpec,
    choose_driver,
    hardware_address,
    hardware_mark,
    render_built,
    render_cmdline,
    render_known,
    write_entry,
)
from provisioner.machines.vagrant.login import Login, learn_login, load_login
from provisioner.machines.vagrant.program import VagrantProgram
from provisioner.machines.vagrant.state import VagrantState, identify, load_state, save_state, state_file, used_boxes
from provisioner.machines.wait_ssh import set_clock
from provisioner.progress import step

CONSOLES = "/var/log/libvirt/consoles"  # in libvirtd's mount namespace
PANIC = "Kernel panic - not syncing"


class VagrantMachine:
    """
    One machine of a lab, made by Vagrant.

    Args:
        spec: the machine's configuration from lab.yaml.
        box: the built box that it boots; None for a box that Vagrant knows, or one that is not built.
        directory: the lab's folder, which all its machines share.
        run: the journal that records the machine while it starts.

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
        """The machine's name in lab.yaml."""
        return self.spec.name

    def up(self) -> None:
        """Start the machine and wait for SSH; one that runs with the same box and hardware is kept."""
        if self.box is None and "/" not in self.spec.box:
            raise self._failure("start", "its box is not built", "provisioner box build")
        prune(needs=MACHINES)  # a killed start leaves a domain, and maybe a running Vagrant, that would be in the way
        with self._locked("start"):
            if self._came_up():
                if self._same_hardware():
                    return
                with step(f"stop machine '{self.name}': lab.yaml gives it other hardware now"):
                    self._program.halt(self.name)
            to: Literal["halted", "absent"] = "halted" if self._fits() else "absent"
            self._reserve()
            with step(f"start machine '{self.name}' by Vagrant"), self._services(), self._reset_on_failure(to):
                address = self._prepare(to)
                self._program.up(self.name, self._watch)
                self._save_state(address)
                mark_complete(self._program, self._box_name)
                delete_unused(self._program, self._libvirt, used_boxes(self.directory))

    def status(self) -> Status:
        """Tell whether the machine was ever made, and whether it runs."""
        if not self._domain.known_to_vagrant:
            return "absent"
        return "running" if self._runs() and self._domain.state() == "running" else "halted"

    def ssh(self) -> SshAddress:
        """Return the address of its SSH server in the lab's network; IsolationError if it does not run."""
        state, login = self._state, self._login()
        address = (state.address if state and state.address else self._domain.address()) if self._runs() else None
        if address is None or login is None:
            raise self._failure("reach", "it does not run")
        return SshAddress(address, login.port, login.user, login.private_key, login.host_key, str(self._net.path))

    def snapshot(self, name: str) -> None:
        """Save memory and disk of the running machine; older snapshots of that name are deleted."""
        tag = self._tag(name)
        with self._locked("snapshot"), step(f"save a snapshot of machine '{self.name}'"):
            if not self._came_up():
                raise self._failure("snapshot", "it does not run")
            if not self._same_hardware():
                raise self._failure("snapshot", "lab.yaml gives it other hardware than it runs with")
            self._program.save_snapshot(self.name, tag)
            self._delete_snapshots(name, keep=tag)

    def restore(self, name: str) -> bool:
        """Restore a snapshot and set the clock; False if there is none of that name."""
        self._tag(name)
        with self._locked("restore"):
            if name not in self.snapshots():
                return False
            address = self._state.address if self._state else ""
            if address:
                self._reserve()
            with step(f"restore machine '{self.name}'"), self._services(), self._reset_on_failure("halted"):
                self._program.restore_snapshot(self.name, self._tag(name))
                set_clock(self.ssh(), self.directory / f"{self.name}.known_hosts", deadline("machine.restore"))
                self._save_state(address)
        return True

    def snapshots(self) -> list[str]:
        """Return the names of the snapshots that fit the machine's box and hardware."""
        end = f"+{self._hardware}"
        tags = self._domain.snapshots() if self._fits() else []
        return [tag.removesuffix(end) for tag in tags if tag.endswith(end)]

    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot, whatever hardware it was saved with."""
        with self._locked("delete a snapshot of"), self._services():
            self._delete_snapshots(name)

    def console(self) -> str:
        """Return the end of the serial console's output."""
        return read_console(self._console)

    def vmm_pid(self) -> int | None:
        """Return the hypervisor's pid, None if it does not run."""
        return self._domain.pid()

    def down(self, destroy: bool = False) -> None:
        """Shut the machine down; with `destroy`, delete it.  The last machine ends the lab's network."""
        if not self._domain.known_to_vagrant or not (destroy or self.vmm_pid()):
            return
        with self._locked("stop"), step(f"stop machine '{self.name}' by Vagrant"), self._services():
            if destroy:
                self._delete_state()
                self._program.destroy(self.name)
                self._domain.remove()
            else:
                self._program.halt(self.name)

    def _reserve(self) -> str:
        """Return the address that is reserved for the machine; "" for a box that Vagrant knows: it asks by DHCP."""
        return (reserve_address(self._libvirt, hardware_address(self.name)) or "") if self.box else ""

    def _prepare(self, to: str) -> str:
        """
        Give Vagrant the machine's box and entry, and delete what an interrupted start has left.

        Args:
            to: the machine's status before the start.

        Returns:
            The address that it boots with; "" if it asks for one by DHCP.
        """
        driver, console = choose_driver(self.spec), f"{CONSOLES}/{self.name}.log"
        address = self._reserve()
        if address and not sees_lease(self._libvirt, hardware_address(self.name), address):
            address = ""
        cmdline = render_cmdline(self.spec, self.box, address) if self.box else None
        if to == "absent":
            self._delete_state()
            self._domain.remove()
        else:
            self._domain.stop()
            self._domain.redefine(driver, cmdline)
        if self.box and cmdline:
            add_built_box(self._program, self.box)
            entry = render_built(self.spec, self.box, cmdline, driver, console)
        else:
            link_user_box(self._program, self._box_name)
            entry = render_known(self.spec, driver, console)
        delete_incomplete_copies(self._program, self._libvirt, self._box_name)
        write_entry(self._program.lab_file, self.name, entry)
        self._console.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._console.unlink(missing_ok=True)
        return address

    def _services(self) -> contextlib.AbstractContextManager[None]:
        return lab_services(self._libvirt, self._run, kvm=choose_driver(self.spec) == "kvm")

    @contextlib.contextmanager
    def _reset_on_failure(self, to: Literal["halted", "absent"]) -> Iterator[None]:
        """Stop or delete the machine if a `with` block fails; if this process is killed, the journal does it."""
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
        """Raise if the guest's kernel has panicked: libvirt would restart it again and again."""
        if PANIC in self.console():
            raise self._failure("start", "its kernel has panicked", "")
        self._reserve()  # again: dnsmasq's helper may have overwritten the file at the same time

    def _save_state(self, address: str) -> None:
        """Save from what the machine was made, and its hypervisor's identity: it has come up."""
        if self._login() is None:
            config = self._program.ssh_config(self.name)
            learn_login(self._learned, self.name, config, self._domain.address() or config.host, self._net.enter)
        state = VagrantState(self._box_name, self._hardware, identify(self.vmm_pid()), address)
        save_state(self.directory, self.name, state)

    def _delete_state(self) -> None:
        for file in (state_file(self.directory, self.name), self._learned):
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
    def _state(self) -> VagrantState | None:
        return load_state(self.directory, self.name)

    def _fits(self) -> bool:
        """Tell whether the machine has come up once, from this box."""
        return bool(self._domain.known_to_vagrant and self._state and self._state.box == self._box_name)

    def _came_up(self) -> bool:
        """Tell whether the machine has come up from this box and has run since."""
        state = self._state
        return bool(state and self._fits() and self.status() == "running" and state.vmm == identify(self.vmm_pid()))

    def _same_hardware(self) -> bool:
        return self._state is not None and self._state.hardware == self._hardware

    def _runs(self) -> bool:
        return self.vmm_pid() is not None and self._libvirt.is_up()

    def _failure(self, verb: str, why: str, hint: str | None = None) -> IsolationError:
        default = f"provisioner up {self.name}"
        return IsolationError(f"cannot {verb} machine '{self.name}': {why}", default if hint is None else hint)

    def _locked(self, verb: str) -> contextlib.AbstractContextManager[None]:
        return hold_lock(self.directory, f"{verb} machine '{self.name}'", deadline("lab.wait"))
