"""The provider that boots a box directly in QEMU, without Vagrant and libvirt; only building the box needs root.

In: a machine's configuration, a box, a folder for the machine.  Out: a `Machine`.  The folder holds all state that
another process needs: QEMU's identity, its port, the disk with its snapshots.  QEMU runs under a seccomp filter, as
nobody where that user may read the box, in the subfolder `vmm`, which is root's (folder.py).
"""

from __future__ import annotations

import contextlib
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

from provisioner.connection.address import SshAddress
from provisioner.connection.local import last_line
from provisioner.deadlines import deadline, slow_hint
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.linux.processes import Process, wait_gone
from provisioner.machines.box.build import Box
from provisioner.machines.console import read_console
from provisioner.machines.daemonize import end_detached, find_running, start_detached
from provisioner.machines.lock import hold_lock
from provisioner.machines.protocol import MachineConfig, Status
from provisioner.machines.qemu.command import (
    CONSOLE,
    SOCKET,
    drop_privileges,
    find_hardware,
    render_command,
    unprivileged_uid,
)
from provisioner.machines.qemu.disk import Disk
from provisioner.machines.qemu.folder import make_files, open_folder
from provisioner.machines.qemu.qmp import Qmp
from provisioner.machines.snapshots import check_snapshot_name
from provisioner.machines.wait_ssh import await_banner, set_clock
from provisioner.progress import step

HOST = "127.0.0.1"
PID_FILE, LOG_FILE = "vmm.pid", "vmm.log"  # QEMU's identity and output, in the machine's folder
POLL = 0.02  # seconds
FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)")
PRESS_AGAIN = 2.0  # seconds from one press of the power button to the next
QUIT_TIMEOUT = 10.0  # seconds from QMP's quit to SIGKILL


class QemuMachine:
    """
    One machine, booted directly in QEMU.

    Args:
        spec: the machine's configuration from lab.yaml.
        box: what it boots; None if the box is not built: such a machine can be inspected and stopped, not started.
        directory: the machine's folder; created when the machine starts.
        run: the journal that records the machine while it starts.

    Example:
        >>> machine = QemuMachine(spec, build_box(), lab.directory / spec.name, run)  # doctest: +SKIP
        >>> machine.up()  # doctest: +SKIP
    """

    def __init__(self, spec: MachineConfig, box: Box | None, directory: Path, run: Run) -> None:
        self.spec = spec
        self.box = box
        self.directory = directory
        self._run = run
        self._disk = Disk(directory)

    @property
    def name(self) -> str:
        """The machine's name in lab.yaml."""
        return self.spec.name

    def up(self) -> None:
        """Start the machine and wait for SSH; a machine that runs with the same box and hardware is kept."""
        box = self._need_box("start")
        with self._locked("start"):
            state = self._disk.state
            if state and state.port and self._process() and self._disk.fits(box):
                if state.hardware == find_hardware(self.spec).mark:
                    self._await_ssh(state.port, "machine.boot")
                    return
                with step(f"stop machine '{self.name}': lab.yaml gives it other hardware now"):
                    self._power_off()
            self._end()
            why = self._disk.why_recreate(box)
            with step(f"start machine '{self.name}'" + (f" with a new disk: {why}" if why else "")):
                if why is not None:
                    self._disk.recreate(box)
                self._start(box, None, "machine.boot")

    def status(self) -> Status:
        """Tell whether the machine was ever made, and whether it runs."""
        if self._process():
            return "running"
        return "halted" if self._disk.exists() else "absent"

    def ssh(self) -> SshAddress:
        """Return the address of the machine's SSH server; IsolationError if the machine does not run."""
        box, state = self._need_box("reach"), self._disk.state
        if not state or not state.port or not self._process():
            raise self._not_running("reach")
        if not self._disk.fits(box):
            raise IsolationError(
                f"cannot reach machine '{self.name}': it runs from a box that is not its box any more",
                hint=f"provisioner up {self.name} starts it with a new disk",
            )
        return _address(box, state.port)

    def snapshot(self, name: str) -> None:
        """Save memory and disk of the running machine; older snapshots of that name are deleted."""
        tag = self._tag(name)
        with self._locked("snapshot"), step(f"save a snapshot of machine '{self.name}'"):
            state = self._disk.state
            if not state or not self._process():
                raise self._not_running("snapshot")
            if state.hardware != find_hardware(self.spec).mark:
                raise IsolationError(
                    f"cannot snapshot machine '{self.name}': lab.yaml gives it other hardware than it runs with",
                    hint=f"provisioner up {self.name}",
                )
            self._ask(f"savevm {tag}", "snapshot")
            for older in self._disk.tags(name):
                if older != tag:  # of other hardware, which cannot restore it
                    self._ask(f"delvm {older}", "snapshot")

    def restore(self, name: str) -> bool:
        """Restore a snapshot and set the clock; False if there is none of that name."""
        tag = self._tag(name)
        with self._locked("restore"):
            if name not in self.snapshots():
                return False
            with step(f"restore machine '{self.name}'"):
                self._end()
                box = self._need_box("restore")
                if (why := self._disk.why_damaged(box)) is not None:
                    raise IsolationError(
                        f"cannot restore machine '{self.name}': {why or 'its disk is gone'}",
                        hint=f"provisioner up {self.name} starts it with a new disk",
                    )
                self._start(box, tag, "machine.restore")
        return True

    def snapshots(self) -> list[str]:
        """Return the names of the snapshots that fit the machine's box and hardware."""
        if not self._disk.fits(self.box):
            return []
        end = f"+{find_hardware(self.spec).mark}"
        return [tag.removesuffix(end) for tag in self._disk.tags() if tag.endswith(end)]

    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot, whatever hardware it was saved with."""
        with self._locked("delete a snapshot of"):
            for tag in self._disk.tags(name):
                if self._process():
                    self._ask(f"delvm {tag}", "delete a snapshot of")
                else:
                    self._disk.delete_tag(tag)

    def console(self) -> str:
        """Return the end of the serial console's output."""
        return read_console(self._disk.folder / CONSOLE)

    def vmm_pid(self) -> int | None:
        """Return QEMU's pid, None if it does not run."""
        process = self._process()
        return process.pid if process else None

    def down(self, destroy: bool = False) -> None:
        """Shut the machine down; with `destroy`, kill it and delete its disk and snapshots."""
        if not self.directory.exists():
            return
        with self._locked("stop"), step(f"stop machine '{self.name}'"):
            if not destroy and self._process():
                self._power_off()
            self._end()
            if destroy:
                self._disk.delete()

    def _process(self) -> Process | None:
        """Return QEMU's process, None if it does not run."""
        return find_running(self.directory / PID_FILE)

    def _power_off(self) -> None:
        """
        Press the power button and wait: the disk has no journal, so the guest must write out its caches.

        A press before the guest's logind runs is lost, so the press is repeated; one too many does nothing.
        """
        until = time.monotonic() + deadline("machine.halt")
        while (process := self._process()) and time.monotonic() < until:
            with contextlib.suppress(IsolationError), self._qmp() as qmp:  # no answer yet: tried again
                qmp.execute("system_powerdown")
            wait_gone([process], PRESS_AGAIN)

    def _end(self) -> None:
        """End QEMU at once: by QMP's quit, which closes the disk in order, or by SIGKILL if it does not answer."""
        seconds = 0.0
        if self._process():
            with contextlib.suppress(IsolationError), self._qmp() as qmp:  # no answer: SIGKILL at once
                qmp.quit()
                seconds = QUIT_TIMEOUT
        end_detached(self.directory / PID_FILE, seconds)

    def _start(self, box: Box, tag: str | None, patience: str) -> None:
        """
        Start QEMU and wait for SSH; if this process is killed meanwhile, the journal ends QEMU.

        Args:
            box: what it boots.
            tag: the snapshot's tag to begin from; None to boot.
            patience: the name of the deadline for SSH.
        """
        hardware, state = find_hardware(self.spec), self._disk.state
        assert state is not None  # the disk exists and fits
        uid = unprivileged_uid(self.directory, box.directory)
        state = state.model_copy(update={"port": 0, "hardware": ""})
        self._disk.save_state(state)
        log, identity = self.directory / LOG_FILE, self.directory / PID_FILE
        with open_folder(self.directory) as folder, make_files(folder, uid) as monitor:
            command = render_command(self.spec, box, hardware, monitor.fileno(), tag)
            argv = [*drop_privileges(hardware.accelerator, uid), *command]
            record = start_detached(argv, log, identity, self._run, (monitor.fileno(),), folder.path)
        try:
            port = self._read_port(argv)
            self._await_ssh(port, patience)
            if tag:
                set_clock(_address(box, port), self.directory / "known_hosts", deadline("machine.restore"))
        except BaseException:
            end_detached(identity)
            self._run.gone(record)
            raise
        self._disk.save_state(state.model_copy(update={"port": port, "hardware": hardware.mark, "whole": True}))
        self._run.gone(record)

    def _read_port(self, argv: list[str]) -> int:
        """Ask QEMU which port it forwards."""
        until = time.monotonic() + deadline("machine.qmp")
        while self._process() and time.monotonic() < until:
            with contextlib.suppress(IsolationError), self._qmp() as qmp:  # no answer yet: tried again
                if found := FORWARD.search(qmp.monitor("info usernet")):
                    return int(found[1])
            time.sleep(POLL)
        log = read_console(self.directory / LOG_FILE)
        raise IsolationError(
            f"cannot start machine '{self.name}': QEMU: {last_line(log.encode()) or 'no answer'}",
            log=f"{log}\n{shlex.join(argv)}",
        )

    def _await_ssh(self, port: int, patience: str) -> None:
        seconds = deadline(patience)
        if await_banner(HOST, port, time.monotonic() + seconds, lambda: self._process() is not None):
            return
        why = f"no SSH after {seconds:.0f} s" if self._process() else "QEMU has ended"
        console = self.console()
        raise IsolationError(
            f"cannot reach machine '{self.name}': {why}; its console ends: {last_line(console.encode()) or 'empty'}",
            hint=slow_hint(),
            log=console,
        )

    def _tag(self, name: str) -> str:
        check_snapshot_name(name)
        return f"{name}+{find_hardware(self.spec).mark}"

    def _ask(self, command: str, verb: str) -> None:
        """Run a monitor command that prints only errors; `verb` is for the error message."""
        with self._qmp() as qmp:
            if fault := qmp.monitor(command).strip():
                raise IsolationError(f"cannot {verb} machine '{self.name}': {last_line(fault.encode())}")

    def _qmp(self) -> Qmp:
        if not self._process():
            raise self._not_running("control")
        with open_folder(self.directory) as folder:
            return Qmp(folder.path / SOCKET, deadline("machine.qmp"))

    def _not_running(self, verb: str) -> IsolationError:
        return IsolationError(f"cannot {verb} machine '{self.name}': it does not run", f"provisioner up {self.name}")

    def _need_box(self, verb: str) -> Box:
        if self.box is None:
            hint = f"provisioner up {self.name}"
            raise IsolationError(f"cannot {verb} machine '{self.name}': its box is not built", hint)
        return self.box

    @contextlib.contextmanager
    def _locked(self, verb: str) -> Iterator[None]:
        with hold_lock(self.directory, f"{verb} machine '{self.name}'", 2 * deadline("machine.boot")):
            yield


def _address(box: Box, port: int) -> SshAddress:
    return SshAddress(HOST, port, box.user, box.private_key, box.host_key)
