"""The provider that boots a box directly in QEMU: no Vagrant, no libvirt, no root needed but for the box.

In: a machine's specification, a box, a folder of the machine's own.  Out: a `Machine`.  Called by the command line and
the pool.  All that another process must know lies in the folder: the hypervisor's identity, its port, the disk with
its snapshots.  QEMU runs as nobody, in a seccomp filter of its own, in the folder `vmm` that alone belongs to it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from provisioner.connection.address import SshAddress
from provisioner.connection.local import last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.journal.undo import import_path
from provisioner.linux.processes import wait_gone
from provisioner.machines.box.build import Box
from provisioner.machines.lock import only_one
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
from provisioner.machines.qemu.qmp import Qmp, await_socket
from provisioner.machines.qemu.vmm import end_vmm, read_log, read_vmm, start_vmm
from provisioner.machines.wait_ssh import await_banner, set_clock
from provisioner.progress import step

HOST = "127.0.0.1"
CONSOLE_BYTES = 4000
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n\t -~]")
PRESS_AGAIN = 2.0  # seconds from one press of the power button to the next
QUIT_TIMEOUT = 10.0  # seconds from QMP's quit to a kill


class QemuMachine:
    """
    One machine, booted directly.

    Args:
        spec: from lab.yaml.
        box: what it boots; None when that is not built: then it can be looked at and stopped, not started.
        directory: the machine's own; made when it is started.
        run: whose journal knows of the machine while it is being started, and no longer.

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
        return self.spec.name

    def up(self) -> None:
        box = self._need_box("start")
        with self._locked("start"):
            made = self._disk.made
            if made and made.port and read_vmm(self.directory) and self._disk.fits(box):
                if made.hardware == find_hardware(self.spec).mark:
                    self._await_ssh(made.port, "machine.boot")
                    return
                with step(f"stop machine '{self.name}': lab.yaml gives it other hardware now"):
                    self._power_off()
            self._end()
            why = self._disk.why_anew(box)
            with step(f"start machine '{self.name}'" + (f" anew: {why}" if why else "")):
                if why is not None:
                    self._disk.begin_anew(box)
                self._start(box, None, "machine.boot")

    def status(self) -> Status:
        if read_vmm(self.directory):
            return "running"
        return "halted" if self._disk.exists() else "absent"

    def ssh(self) -> SshAddress:
        box, made = self._need_box("reach"), self._disk.made
        if not made or not made.port or not read_vmm(self.directory):
            raise self._not_running("reach")
        if not self._disk.fits(box):
            hint = f"provisioner up {self.name} begins anew"
            raise IsolationError(f"cannot reach machine '{self.name}': it runs from another box than it has now", hint)
        return _address(box, made.port)

    def snapshot(self, name: str) -> None:
        tag = self._tag(name)
        with self._locked("freeze"), step(f"freeze machine '{self.name}'"):
            made = self._disk.made
            if not made or not read_vmm(self.directory):
                raise self._not_running("freeze")
            if made.hardware != find_hardware(self.spec).mark:
                what = f"cannot freeze machine '{self.name}': lab.yaml gives it other hardware than it runs with"
                raise IsolationError(what, f"provisioner up {self.name}")
            self._ask(f"savevm {tag}", "freeze")
            for older in self._disk.tags(name):
                if older != tag:  # of other hardware, which cannot restore it
                    self._ask(f"delvm {older}", "freeze")

    def restore(self, name: str) -> bool:
        tag = self._tag(name)
        with self._locked("restore"):
            if name not in self.snapshots():
                return False
            with step(f"restore machine '{self.name}'"):
                self._end()
                if not self._disk.is_whole():
                    hint = f"provisioner up {self.name} begins anew"
                    raise IsolationError(f"cannot restore machine '{self.name}': its disk is damaged", hint)
                self._start(self._need_box("restore"), tag, "machine.restore")
        return True

    def snapshots(self) -> list[str]:
        """Return the names of those that fit its box and its hardware."""
        if not self._disk.fits(self.box):
            return []
        end = f"+{find_hardware(self.spec).mark}"
        return [tag.removesuffix(end) for tag in self._disk.tags() if tag.endswith(end)]

    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot, whatever hardware it was frozen with."""
        with self._locked("thin out"):
            for tag in self._disk.tags(name):
                if read_vmm(self.directory):
                    self._ask(f"delvm {tag}", "thin out")
                else:
                    self._disk.delete_tag(tag)

    def console(self) -> str:
        return read_end(self._disk.folder / CONSOLE, CONSOLE_BYTES)

    def vmm_pid(self) -> int | None:
        process = read_vmm(self.directory)
        return process.pid if process else None

    def down(self, destroy: bool = False) -> None:
        """Stop it; with `destroy`, at once and for good: its disk and its snapshots go."""
        if not self.directory.exists():
            return
        with self._locked("stop"), step(f"stop machine '{self.name}'"):
            if not destroy and read_vmm(self.directory):
                self._power_off()
            self._end()
            if destroy:
                self._disk.delete()

    def _power_off(self) -> None:
        """
        Press the button and wait: the disk has no journal, so the guest must write out what it holds.

        A press before the guest's logind runs is lost, so it is repeated; one too many does nothing.
        """
        until = time.monotonic() + deadline("machine.halt")
        while (process := read_vmm(self.directory)) and time.monotonic() < until:
            with contextlib.suppress(IsolationError), self._qmp() as qmp:
                qmp.execute("system_powerdown")
            wait_gone([process], PRESS_AGAIN)

    def _end(self) -> None:
        """End QEMU at once: by its own means, so that its disk is closed in order, or by a kill if it hears nothing."""
        seconds = 0.0
        if read_vmm(self.directory):
            with contextlib.suppress(IsolationError), self._qmp() as qmp:
                qmp.quit()
                seconds = QUIT_TIMEOUT
        end_vmm(self.directory, seconds)

    def _start(self, box: Box, tag: str | None, how: str) -> None:
        """Start QEMU and wait for SSH; the journal ends a machine whose starter is killed half-way."""
        hardware, made = find_hardware(self.spec), self._disk.made
        assert made is not None  # of a disk that is there and fits
        uid = unprivileged_uid(self.directory, box.directory)
        owner = os.geteuid() if uid is None else uid
        os.chown(self._disk.folder, owner, -1)
        os.chown(self._disk.path, owner, -1)
        for name in (CONSOLE, SOCKET):
            (self._disk.folder / name).unlink(missing_ok=True)
        argv = [*drop_privileges(hardware.accelerator, uid), *render_command(self.spec, box, hardware, tag)]
        undo = [sys.executable, "-m", "provisioner.machines.qemu.vmm", str(self.directory)]
        record = self._run.made("command", undo, import_path())
        made = made.model_copy(update={"port": 0, "hardware": ""})
        self._disk.remember(made)
        try:
            start_vmm(argv, self.directory, self._disk.folder)
            port = self._read_port(argv)
            self._await_ssh(port, how)
            if tag:
                set_clock(_address(box, port), self.directory / "known_hosts", deadline("machine.restore"))
        except BaseException:
            end_vmm(self.directory)
            self._run.gone(record)
            raise
        self._disk.remember(made.model_copy(update={"port": port, "hardware": hardware.mark, "whole": True}))
        self._run.gone(record)

    def _read_port(self, argv: list[str]) -> int:
        """Ask QEMU which port it forwards."""
        until = time.monotonic() + deadline("machine.qmp")
        while read_vmm(self.directory) and time.monotonic() < until:
            if await_socket(self._disk.folder / SOCKET, 0.2):
                with contextlib.suppress(IsolationError), self._qmp() as qmp:
                    if found := FORWARD.search(qmp.monitor("info usernet")):
                        return int(found[1])
        log = read_log(self.directory)
        raise IsolationError(
            f"cannot start machine '{self.name}': QEMU: {last_line(log.encode()) or 'no answer'}",
            log=f"{log}\n{shlex.join(argv)}",
        )

    def _await_ssh(self, port: int, how: str) -> None:
        seconds = deadline(how)
        if await_banner(HOST, port, time.monotonic() + seconds, lambda: read_vmm(self.directory) is not None):
            return
        why = f"no SSH after {seconds:.0f} s" if read_vmm(self.directory) else "it has ended"
        console = self.console()
        raise IsolationError(
            f"cannot reach machine '{self.name}': {why}; its console ends: {last_line(console.encode()) or 'empty'}",
            hint="raise isolation_timeout_scale on a slow machine",
            log=console,
        )

    def _tag(self, name: str) -> str:
        if not TAG.fullmatch(name):
            raise IsolationError(
                f"cannot name a snapshot '{name}'", hint="letters, digits, dots and dashes, at most 64"
            )
        return f"{name}+{find_hardware(self.spec).mark}"

    def _ask(self, command: str, verb: str) -> None:
        """Run a command of QEMU's monitor that says something only when it fails."""
        with self._qmp() as qmp:
            if fault := qmp.monitor(command).strip():
                raise IsolationError(f"cannot {verb} machine '{self.name}': {last_line(fault.encode())}")

    def _qmp(self) -> Qmp:
        if not read_vmm(self.directory):
            raise self._not_running("ask")
        return Qmp(self._disk.folder / SOCKET, deadline("machine.qmp"))

    def _not_running(self, verb: str) -> IsolationError:
        return IsolationError(f"cannot {verb} machine '{self.name}': it does not run", f"provisioner up {self.name}")

    def _need_box(self, verb: str) -> Box:
        if self.box is None:
            hint = f"provisioner up {self.name}"
            raise IsolationError(f"cannot {verb} machine '{self.name}': its box is not built", hint)
        return self.box

    @contextlib.contextmanager
    def _locked(self, verb: str) -> Iterator[None]:
        self.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        with only_one(self.directory, f"{verb} machine '{self.name}'", 2 * deadline("machine.boot")):
            yield


def _address(box: Box, port: int) -> SshAddress:
    return SshAddress(HOST, port, box.user, box.private_key, box.host_key)


def read_end(path: Path, size: int) -> str:
    """Return the end of a console's file as plain text; the file is QEMU's, so a link is not followed."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return ESCAPES.sub("", file.read(size).decode("utf-8", "replace"))
    except OSError:
        return ""
