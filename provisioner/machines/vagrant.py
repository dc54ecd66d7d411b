"""The provider that boots a box through Vagrant and libvirt, in the lab's own network.

In: a machine's specification, a box, the lab's folder.  Out: a `Machine`.  Called by the command line and the pool.
Vagrant makes, starts, freezes, restores and stops machines; what libvirt's files say at once (whether it runs, which
process it is) is not asked of Vagrant, whose every answer costs more than a second.  The lab's network and libvirtd
come up with the first machine and end with the last.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from provisioner.accelerator import accelerator
from provisioner.connection import last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.journal import Run
from provisioner.machines.banner import set_clock
from provisioner.machines.box import Box, package_box
from provisioner.machines.domain import Domain
from provisioner.machines.labnet import LabNet
from provisioner.machines.libvirt import NETWORK, NETWORK_ADDRESS, PREFIX, Libvirt
from provisioner.machines.lock import only_one
from provisioner.machines.protocol import Spec, SshAddress, Status
from provisioner.machines.qemu import read_end
from provisioner.machines.qemu_command import LEGACY
from provisioner.machines.vagrant_program import VagrantProgram
from provisioner.processes import read_process
from provisioner.progress import step
from provisioner.undo import Record

CONSOLE_BYTES = 4000
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RUNNING = ("running",)
ABSENT = ("not_created",)


class VagrantMachine:
    """
    One machine of a lab, made by Vagrant.

    Args:
        spec: from lab.yaml.
        box: what it boots.
        directory: the lab's folder, which all of its machines share.
        run: whose journal knows of what is being started, and no longer.

    Example:
        >>> machine = VagrantMachine(spec, build_box(), lab.directory, run)  # doctest: +SKIP
        >>> machine.up()  # doctest: +SKIP
    """

    def __init__(self, spec: Spec, box: Box, directory: Path, run: Run) -> None:
        self.spec = spec
        self.box = box
        self.directory = directory
        self._run = run
        self._net = LabNet(directory)
        self._libvirt = Libvirt(self._net)
        self._program = VagrantProgram(directory / "vagrant", lambda: self._libvirt.enter, self._journaled)
        self._domain = Domain(self._libvirt, directory / "vagrant", spec.name)

    @property
    def name(self) -> str:
        return self.spec.name

    def up(self) -> None:
        with self._locked("start"):
            if self._runs() and self._reached() is not None:
                return
            with step(f"start machine '{self.name}' by Vagrant"):
                self._start()

    def status(self) -> Status:
        if not self._domain.known_to_vagrant:
            return "absent"
        if not self._libvirt.is_up():
            return "halted"
        state = self._program.state(self.name)
        return "running" if state in RUNNING else "absent" if state in ABSENT else "halted"

    def ssh(self) -> SshAddress:
        if not self._runs():
            hint = f"provisioner up {self.name}"
            raise IsolationError(f"cannot reach machine '{self.name}': it does not run", hint)
        host, port = self._reached() or self._ask_address()
        box = self.box
        return SshAddress(host, port, box.user, box.private_key, box.host_key, str(self._net.path))

    def snapshot(self, name: str) -> None:
        tag = _tag(name)
        with self._locked("freeze"), step(f"freeze machine '{self.name}'"):
            self._program.save_snapshot(self.name, tag)

    def restore(self, name: str) -> bool:
        tag = _tag(name)
        with self._locked("restore"):
            if not self._domain.known_to_vagrant:
                return False
            with self._services():
                if tag not in self._domain.snapshots():
                    return False
                with step(f"restore machine '{self.name}'"):
                    self._program.restore_snapshot(self.name, tag)
                    set_clock(self.ssh(), self.directory / f"{self.name}.known_hosts", deadline("machine.restore"))
        return True

    def snapshots(self) -> list[str]:
        if not self._domain.known_to_vagrant or not self._libvirt.is_up():
            return []
        return self._domain.snapshots()

    def console(self) -> str:
        return read_end(self._console, CONSOLE_BYTES)

    def vmm_pid(self) -> int | None:
        return self._domain.pid()

    def down(self, destroy: bool = False) -> None:
        """Stop it; with `destroy`, for good: its disk and its snapshots go.  The last one ends the lab's network."""
        if not self._domain.known_to_vagrant:
            return
        with self._locked("stop"), step(f"stop machine '{self.name}' by Vagrant"):
            if destroy:
                with self._services():
                    self._program.destroy(self.name)
                    self._domain.remove()
            elif self._runs():
                self._program.halt(self.name)
            self._address.unlink(missing_ok=True)
            if not self._libvirt.busy():
                self._libvirt.down()
                self._net.down()

    def _start(self) -> None:
        """Start it; what was there before stays when it fails, and the journal ends what a killed run was starting."""
        to = "halted" if self._domain.known_to_vagrant else "absent"
        with self._services():
            undo = [sys.executable, "-m", "provisioner.machines.domain", str(self.directory), self.name, to]
            record = self._run.made("command", undo, _import_path())
            try:
                self._clear(to)
                self._write_lab()
                self._program.add_box(_box_name(self.box), package_box(self.box))
                self._program.up(self.name)
                self._ask_address()
            except BaseException as error:
                console = self.console()
                with contextlib.suppress(IsolationError):
                    self._domain.stop() if to == "halted" else self._domain.remove()
                self._run.gone(record)
                raise self._explain(error, console) from None
            self._run.gone(record)

    def _clear(self, to: str) -> None:
        """Take away what libvirt has of a machine that Vagrant does not know, and the console of the last boot."""
        if to == "absent":
            self._domain.remove()
        self._console.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._console.unlink(missing_ok=True)

    def _explain(self, error: BaseException, console: str) -> BaseException:
        if not isinstance(error, IsolationError) or not console:
            return error
        what = f"{error.what}; its console ends: {last_line(console.encode())}"
        return IsolationError(what, error.hint, f"{error.log}\n--- console\n{console}".strip())

    @contextlib.contextmanager
    def _services(self) -> Iterator[None]:
        """Have the lab's network and libvirtd up; they are the lab's from then on, and go again where we made them."""
        records: list[Record] = []
        try:
            records += self._net.up(self._run)
            records += self._libvirt.up(self._run)
            yield
        except BaseException:
            if records and not self._libvirt.busy():
                self._libvirt.down()
                self._net.down()
            raise
        finally:
            for record in records:
                self._run.gone(record)

    @contextlib.contextmanager
    def _journaled(self, pid: int) -> Iterator[None]:
        """Let the journal know Vagrant's process: a prune ends it before it puts back what it was making."""
        record = self._run.made("process", pid) if read_process(pid) else None
        try:
            yield
        finally:
            if record is not None:
                self._run.gone(record)

    def _write_lab(self) -> None:
        """Tell the Vagrantfile what this machine is made of; the other machines' entries stay."""
        lab = self._program.lab_file
        try:
            known = dict(json.loads(lab.read_text())["machines"])
        except (OSError, ValueError, KeyError, TypeError):
            known = {}
        known[self.name] = self._describe()
        lab.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = lab.with_suffix(".new")
        fresh.write_text(json.dumps({"boot_timeout": int(deadline("machine.boot")), "machines": known}, indent=1))
        fresh.replace(lab)

    def _describe(self) -> Mapping[str, object]:
        spec, box = self.spec, self.box
        words = [box.cmdline, f"systemd.hostname={spec.name}"]
        return {
            "box": _box_name(box),
            "user": box.user,
            "private_key": str(box.private_key),
            "driver": spec.driver or {"kvm": "kvm", "tcg": "qemu"}[accelerator().name],
            "cpus": spec.cpus,
            "memory": spec.memory,
            "machine_type": "q35",
            "kernel": str(box.kernel),
            "initrd": str(box.initrd),
            "cmd_line": " ".join([*words, LEGACY] if spec.cgroup == "v1" else words),
            "prefix": PREFIX,
            "network": NETWORK,
            "network_address": NETWORK_ADDRESS,
            "consoles": [f"/var/log/libvirt/consoles/{spec.name}.log"],
        }

    @property
    def _console(self) -> Path:
        return self._libvirt.directory / "log" / "consoles" / f"{self.name}.log"

    @property
    def _address(self) -> Path:
        return self.directory / f"{self.name}.address"

    def _ask_address(self) -> tuple[str, int]:
        """Ask Vagrant once for each boot, and keep it beside the identity of the hypervisor that it is true of."""
        found = self._program.ssh_config(self.name)
        entry = {"host": found.host, "port": found.port, "vmm": self._identity()}
        self._address.write_text(json.dumps(entry))
        return found.host, found.port

    def _reached(self) -> tuple[str, int] | None:
        """Return the address that was kept, None when it is of another boot."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            entry = json.loads(self._address.read_text())
            if entry["vmm"] is not None and entry["vmm"] == self._identity():
                return str(entry["host"]), int(entry["port"])
        return None

    def _identity(self) -> list[object] | None:
        pid = self._domain.pid()
        process = read_process(pid) if pid is not None else None
        return [process.pid, process.start, process.boot] if process else None

    def _runs(self) -> bool:
        return self._domain.pid() is not None and self._libvirt.is_up()

    @contextlib.contextmanager
    def _locked(self, verb: str) -> Iterator[None]:
        self.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        with only_one(self.directory, f"{verb} machine '{self.name}'", deadline("lab.wait")):
            yield


def _box_name(box: Box) -> str:
    return f"isolation-{box.name}-{box.hash}"


def _tag(name: str) -> str:
    if not TAG.fullmatch(name):
        raise IsolationError(f"cannot name a snapshot '{name}'", hint="letters, digits, dots and dashes, at most 64")
    return name


def _import_path() -> Mapping[str, str]:
    """Return what lets another interpreter find this package, wherever it was imported from."""
    root = str(Path(__file__).parents[2])
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
