"""The provider for machines that Vagrant runs with another hypervisor: virtualbox, vmware_desktop, parallels, hyperv.

In: a machine's specification, the lab's folder.  Out: a `Machine`.  There is
no network and no daemon of the lab's own here: all is asked of Vagrant.  Written to Vagrant's documentation; these
hypervisors are not verified here, only what is said to Vagrant and made of its answers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from provisioner.connection.address import SshAddress
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.journal.run import Run, prune
from provisioner.machines.lock import hold_lock
from provisioner.machines.protocol import Status
from provisioner.machines.snapshots import check_snapshot_name
from provisioner.machines.vagrant.boxes import link_known
from provisioner.machines.vagrant.lab_file import VagrantSpec, render_plain, write_entry
from provisioner.machines.vagrant.login import learn_login
from provisioner.machines.vagrant.program import VagrantProgram
from provisioner.machines.wait_ssh import set_clock
from provisioner.progress import step


class ElsewhereMachine:
    """
    One machine of a lab that another hypervisor than libvirt's runs.

    Args:
        spec: from lab.yaml.
        directory: the lab's folder, which all of its machines share.
        run: whose journal knows of what is being started, and no longer.
    """

    def __init__(self, spec: VagrantSpec, directory: Path, run: Run) -> None:
        self.spec = spec
        self.directory = directory
        self._run = run
        self._program = VagrantProgram(directory / "vagrant", run, spec.hypervisor)
        self._learned = directory / f"{spec.name}.login"

    @property
    def name(self) -> str:
        return self.spec.name

    def up(self) -> None:
        prune()
        with self._locked("start"):
            link_known(self._program, self.spec.box)
            write_entry(self._program.lab_file, self.name, render_plain(self.spec))
            before = self.status()
            if before != "running":
                with step(f"start machine '{self.name}' by Vagrant"), self._undoing(before):
                    if before == "absent":
                        self._learned.unlink(missing_ok=True)
                    self._program.up(self.name)
                    self.ssh()

    def status(self) -> Status:
        """Tell how it is; hypervisors have words of their own for what does not run: poweroff, saved, stopped, off."""
        if not (self._program.directory / "dotfile" / "machines" / self.name).is_dir():
            return "absent"
        state = self._program.state(self.name)
        return "running" if state == "running" else "absent" if state == "not_created" else "halted"

    def ssh(self) -> SshAddress:
        config = self._program.ssh_config(self.name)
        login = learn_login(self._learned, self.name, config, config.host)
        return SshAddress(config.host, config.port, login.user, login.private_key, login.host_key)

    def snapshot(self, name: str) -> None:
        check_snapshot_name(name)
        with self._locked("snapshot"), step(f"save a snapshot of machine '{self.name}'"):
            self._program.save_snapshot(self.name, name)

    def restore(self, name: str) -> bool:
        check_snapshot_name(name)
        with self._locked("restore"):
            if name not in self.snapshots():
                return False
            with step(f"restore machine '{self.name}'"):
                self._program.restore_snapshot(self.name, name)
                set_clock(self.ssh(), self.directory / f"{self.name}.known_hosts", deadline("machine.restore"))
        return True

    def snapshots(self) -> list[str]:
        return [] if self.status() == "absent" else self._program.snapshots(self.name)

    def delete_snapshot(self, name: str) -> None:
        with self._locked("delete a snapshot of"):
            if name in self.snapshots():
                self._program.delete_snapshot(self.name, name)

    def console(self) -> str:
        """Return nothing: Vagrant has no common way to a serial console."""
        return ""

    def vmm_pid(self) -> int | None:
        """Return None: Vagrant does not say which process a machine is."""
        return None

    def down(self, destroy: bool = False) -> None:
        """Stop it; with `destroy`, for good."""
        status = self.status()
        if status == "absent" or (status == "halted" and not destroy):
            return
        with self._locked("stop"), step(f"stop machine '{self.name}' by Vagrant"):
            put_back(self._program, self.name, "absent" if destroy else "halted")
            if destroy:
                self._learned.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _undoing(self, to: Status) -> Iterator[None]:
        """Put the machine back to what it was when something fails; the journal does when this process is killed."""
        undo = ["reset-vagrant-machine", str(self.directory), self.name, self.spec.hypervisor, to]
        record = self._run.made("verb", undo)
        try:
            yield
        except BaseException:
            with contextlib.suppress(IsolationError):  # what is told is why it did not start
                put_back(self._program, self.name, to)
            self._run.gone(record)
            raise
        self._run.gone(record)

    @contextlib.contextmanager
    def _locked(self, verb: str) -> Iterator[None]:
        self.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        with hold_lock(self.directory, f"{verb} machine '{self.name}'", deadline("lab.wait")):
            yield


def put_back(program: VagrantProgram, name: str, to: Status) -> None:
    """Halt a machine, or delete it."""
    if to == "absent":
        program.destroy(name)
    else:
        program.halt(name)


def reset_machine(lab: Path, name: str, hypervisor: str, to: Status) -> None:
    """Halt a machine, or delete it, for a journal: `lab` is the lab's folder."""
    with Run.start() as run:
        put_back(VagrantProgram(lab / "vagrant", run, hypervisor), name, to)
