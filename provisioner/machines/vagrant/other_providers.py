"""The provider for machines that Vagrant runs with virtualbox, vmware_desktop, parallels or hyperv.

In: a machine's configuration, the lab's folder.  Out: a `Machine`.  The lab has no network and no daemon of its own
here: every answer comes from Vagrant.  Written to Vagrant's documentation; only the calls of Vagrant and the parsing of
its answers are tested, not these hypervisors.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from provisioner.connection.address import SshAddress
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.journal.needs import MACHINES
from provisioner.journal.prune import prune
from provisioner.journal.run import Run
from provisioner.machines.lock import hold_lock
from provisioner.machines.protocol import Status
from provisioner.machines.snapshots import check_snapshot_name
from provisioner.machines.vagrant.boxes import link_user_box
from provisioner.machines.vagrant.lab_file import VagrantSpec, render_plain, write_entry
from provisioner.machines.vagrant.login import learn_login
from provisioner.machines.vagrant.program import VagrantProgram
from provisioner.machines.wait_ssh import set_clock
from provisioner.progress import step


class OtherProviderMachine:
    """
    One machine of a lab with another hypervisor than libvirt's.

    Args:
        spec: the machine's configuration from lab.yaml.
        directory: the lab's folder, which all its machines share.
        run: the journal that records the machine while it starts.
    """

    def __init__(self, spec: VagrantSpec, directory: Path, run: Run) -> None:
        self.spec = spec
        self.directory = directory
        self._run = run
        self._program = VagrantProgram(directory / "vagrant", run, spec.hypervisor)
        self._learned = directory / f"{spec.name}.login"

    @property
    def name(self) -> str:
        """The machine's name in lab.yaml."""
        return self.spec.name

    def up(self) -> None:
        """Start the machine and wait for SSH; one that runs already is kept."""
        prune(needs=MACHINES)
        with self._locked("start"):
            link_user_box(self._program, self.spec.box)
            write_entry(self._program.lab_file, self.name, render_plain(self.spec))
            before = self.status()
            if before != "running":
                with step(f"start machine '{self.name}' by Vagrant"), self._reset_on_failure(before):
                    if before == "absent":
                        self._learned.unlink(missing_ok=True)
                    self._program.up(self.name)
                    self.ssh()

    def status(self) -> Status:
        """Return the status; hypervisors have several words for "halted": poweroff, saved, stopped, off."""
        if not (self._program.directory / "dotfile" / "machines" / self.name).is_dir():
            return "absent"
        state = self._program.state(self.name)
        return "running" if state == "running" else "absent" if state == "not_created" else "halted"

    def ssh(self) -> SshAddress:
        """Return the address that Vagrant names, with the login that was learned at the first start."""
        config = self._program.ssh_config(self.name)
        login = learn_login(self._learned, self.name, config, config.host)
        return SshAddress(config.host, config.port, login.user, login.private_key, login.host_key)

    def snapshot(self, name: str) -> None:
        """Save a snapshot of the running machine."""
        check_snapshot_name(name)
        with self._locked("snapshot"), step(f"save a snapshot of machine '{self.name}'"):
            self._program.save_snapshot(self.name, name)

    def restore(self, name: str) -> bool:
        """Restore a snapshot and set the clock; False if there is none of that name."""
        check_snapshot_name(name)
        with self._locked("restore"):
            if name not in self.snapshots():
                return False
            with step(f"restore machine '{self.name}'"):
                self._program.restore_snapshot(self.name, name)
                set_clock(self.ssh(), self.directory / f"{self.name}.known_hosts", deadline("machine.restore"))
        return True

    def snapshots(self) -> list[str]:
        """Return the names of the machine's snapshots."""
        return [] if self.status() == "absent" else self._program.snapshots(self.name)

    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot; one that does not exist is ignored."""
        with self._locked("delete a snapshot of"):
            if name in self.snapshots():
                self._program.delete_snapshot(self.name, name)

    def console(self) -> str:
        """Return "": Vagrant has no common access to serial consoles."""
        return ""

    def vmm_pid(self) -> int | None:
        """Return None: Vagrant does not tell the hypervisor's pid."""
        return None

    def down(self, destroy: bool = False) -> None:
        """Shut the machine down; with `destroy`, delete it."""
        status = self.status()
        if status == "absent" or (status == "halted" and not destroy):
            return
        with self._locked("stop"), step(f"stop machine '{self.name}' by Vagrant"):
            _reset(self._program, self.name, "absent" if destroy else "halted")
            if destroy:
                self._learned.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _reset_on_failure(self, to: Status) -> Iterator[None]:
        """Halt or delete the machine if a `with` block fails; if this process is killed, the journal does it."""
        undo = ["reset-vagrant-machine", str(self.directory), self.name, self.spec.hypervisor, to]
        record = self._run.made("verb", undo)
        try:
            yield
        except BaseException:
            with contextlib.suppress(IsolationError):  # the reason of the failed start matters more
                _reset(self._program, self.name, to)
            self._run.gone(record)
            raise
        self._run.gone(record)

    def _locked(self, verb: str) -> contextlib.AbstractContextManager[None]:
        return hold_lock(self.directory, f"{verb} machine '{self.name}'", deadline("lab.wait"))


def _reset(program: VagrantProgram, name: str, to: Status) -> None:
    """
    Halt a machine, or delete it.

    Args:
        program: the lab's Vagrant.
        name: the machine's name.
        to: the status afterwards; "absent" deletes it.
    """
    if to == "absent":
        program.destroy(name)
    else:
        program.halt(name)


def reset_machine(lab: Path, name: str, hypervisor: str, to: Status) -> None:
    """
    Halt a machine, or delete it, for a journal's entry.

    Args:
        lab: the lab's folder.
        name: the machine's name.
        hypervisor: Vagrant's provider.
        to: the status afterwards; "absent" deletes it.

    Raises:
        IsolationError: Vagrant fails.
    """
    if not (lab / "vagrant").is_dir():
        return  # the machine ended with the lab's folder: Vagrant would make it anew
    with Run.start() as run:
        _reset(VagrantProgram(lab / "vagrant", run, hypervisor), name, to)
