"""The provider that boots a box directly in QEMU: no Vagrant, no libvirt, no root needed but for the box.

In: a machine's specification, a box, a folder of the machine's own.  Out: a `Machine`.  Called by the command line and
the pool.  All that another process must know lies in the folder: the hypervisor's identity, its port, the disk with
its snapshots.  QEMU runs as nobody, in a seccomp filter of its own, in the folder `vmm` that alone belongs to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from provisioner.accelerator import accelerator
from provisioner.connection import LocalConnection, find_program, last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.journal import Run
from provisioner.machines.banner import await_banner, set_clock
from provisioner.machines.box import Box
from provisioner.machines.lock import only_one
from provisioner.machines.protocol import Spec, SshAddress, Status
from provisioner.machines.qemu_command import (
    CONSOLE,
    DISK,
    SOCKET,
    Hardware,
    drop_privileges,
    render_command,
    unprivileged_uid,
)
from provisioner.machines.qmp import Qmp, await_socket
from provisioner.machines.vmm import end_vmm, read_log, read_vmm, start_vmm
from provisioner.processes import wait_gone
from provisioner.progress import step
from provisioner.undo import import_path

PROGRAM = "qemu-system-x86_64"
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
        box: what it boots.
        directory: the machine's own; made when it is started.
        run: whose journal knows of the machine while it is being started, and no longer.

    Example:
        >>> machine = QemuMachine(spec, build_box(), lab.directory / spec.name, run)  # doctest: +SKIP
        >>> machine.up()  # doctest: +SKIP
    """

    def __init__(self, spec: Spec, box: Box, directory: Path, run: Run) -> None:
        self.spec = spec
        self.box = box
        self.directory = directory
        self._run = run
        self._vmm = directory / "vmm"

    @property
    def name(self) -> str:
        return self.spec.name

    def up(self) -> None:
        with self._locked("start"):
            port = self._port()
            if port and read_vmm(self.directory) and self._fits():
                self._await_ssh(port, "machine.boot")
                return
            with step(f"start machine '{self.name}'"):
                self._end()
                if not self._fits():
                    self._make_disk()
                self._start(None, "machine.boot")

    def status(self) -> Status:
        if read_vmm(self.directory):
            return "running"
        return "halted" if (self._vmm / DISK).exists() else "absent"

    def ssh(self) -> SshAddress:
        port = self._port()
        if not port or not read_vmm(self.directory):
            raise IsolationError(
                f"cannot reach machine '{self.name}': it does not run", hint=f"provisioner up {self.name}"
            )
        return SshAddress(HOST, port, self.box.user, self.box.private_key, self.box.host_key)

    def snapshot(self, name: str) -> None:
        tag = self._tag(name)
        with self._locked("freeze"), step(f"freeze machine '{self.name}'"), self._qmp() as qmp:
            if fault := qmp.monitor(f"savevm {tag}").strip():
                raise IsolationError(f"cannot freeze machine '{self.name}': {last_line(fault.encode())}")

    def restore(self, name: str) -> bool:
        tag = self._tag(name)
        with self._locked("restore"):
            if not self._fits() or name not in self.snapshots():
                return False
            with step(f"restore machine '{self.name}'"):
                self._end()
                self._start(tag, "machine.restore")
                known_hosts = self.directory / "known_hosts"
                set_clock(self.ssh(), known_hosts, deadline("machine.restore"))
        return True

    def snapshots(self) -> list[str]:
        if not (self._vmm / DISK).exists():
            return []
        argv = ["qemu-img", "info", "--force-share", "--output=json", "-f", "qcow2", str(self._vmm / DISK)]
        done = LocalConnection().run(argv, deadline("command"))
        if done.status != 0:
            raise IsolationError(f"cannot read the disk of machine '{self.name}': {done.last_words}")
        tags = [str(entry["name"]) for entry in json.loads(done.stdout).get("snapshots", [])]
        end = f"+{self._hardware().mark}"
        return [tag.removesuffix(end) for tag in tags if tag.endswith(end)]

    def console(self) -> str:
        return read_end(self._vmm / CONSOLE, CONSOLE_BYTES)

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
                shutil.rmtree(self._vmm, ignore_errors=True)
                self._made.unlink(missing_ok=True)

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
        if read_vmm(self.directory):
            with contextlib.suppress(IsolationError), self._qmp() as qmp:
                qmp.quit()
        end_vmm(self.directory, QUIT_TIMEOUT)

    def _start(self, tag: str | None, how: str) -> None:
        """Start QEMU and wait for SSH; the journal ends a machine whose starter is killed half-way."""
        hardware = self._hardware()
        uid = unprivileged_uid(self.directory, self.box.directory)
        owner = os.geteuid() if uid is None else uid
        os.chown(self._vmm, owner, -1)
        os.chown(self._vmm / DISK, owner, -1)
        for name in (CONSOLE, SOCKET):
            (self._vmm / name).unlink(missing_ok=True)
        argv = [*drop_privileges(hardware.accelerator, uid), *render_command(self.spec, self.box, hardware, tag)]
        undo = [sys.executable, "-m", "provisioner.machines.vmm", str(self.directory)]
        record = self._run.made("command", undo, import_path())
        try:
            start_vmm(argv, self.directory, self._vmm)
            self._await_ssh(self._read_port(argv), how)
        except BaseException:
            end_vmm(self.directory)
            self._run.gone(record)
            raise
        self._run.gone(record)

    def _read_port(self, argv: list[str]) -> int:
        """Ask QEMU which port it forwards, and keep it for whoever asks later."""
        until = time.monotonic() + deadline("machine.qmp")
        while read_vmm(self.directory) and time.monotonic() < until:
            if await_socket(self._vmm / SOCKET, 0.2):
                with contextlib.suppress(IsolationError), self._qmp() as qmp:
                    if found := FORWARD.search(qmp.monitor("info usernet")):
                        self._made.write_text(json.dumps({"box": self.box.hash, "port": int(found[1])}))
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

    def _make_disk(self) -> None:
        """Begin anew, on a box that is another than before or for the first time."""
        shutil.rmtree(self._vmm, ignore_errors=True)
        self._made.unlink(missing_ok=True)
        self._vmm.mkdir(mode=0o700)
        argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(self.box.disk)]
        done = LocalConnection().run([*argv, str(self._vmm / DISK)], deadline("command"))
        if done.status != 0:
            raise IsolationError(f"cannot make the disk of machine '{self.name}': {done.last_words}")
        (self._vmm / DISK).chmod(0o600)
        self._made.write_text(json.dumps({"box": self.box.hash}))

    @property
    def _made(self) -> Path:
        return self.directory / "machine.json"

    def _read_made(self) -> dict[str, object]:
        try:
            return dict(json.loads(self._made.read_text()))
        except (OSError, ValueError, TypeError):
            return {}

    def _fits(self) -> bool:
        """Tell whether the machine's disk lies on this box."""
        return self._read_made().get("box") == self.box.hash and (self._vmm / DISK).exists()

    def _port(self) -> int:
        port = self._read_made().get("port")
        return port if isinstance(port, int) else 0

    def _hardware(self) -> Hardware:
        path = find_program(PROGRAM)
        if path is None:
            hint = "apt-get install --no-install-recommends qemu-system-x86"
            raise IsolationError(f"cannot start machine '{self.name}': {PROGRAM} is not installed", hint=hint)
        spec = self.spec
        name = accelerator().name if spec.driver is None else "kvm" if spec.driver == "kvm" else "tcg"
        status = os.stat(path)
        version = f"{status.st_size} {status.st_mtime_ns}"  # asking it costs fifty milliseconds
        return Hardware(spec.cpus, spec.memory, spec.cgroup, name, path, version)

    def _tag(self, name: str) -> str:
        if not TAG.fullmatch(name):
            raise IsolationError(
                f"cannot name a snapshot '{name}'", hint="letters, digits, dots and dashes, at most 64"
            )
        return f"{name}+{self._hardware().mark}"

    def _qmp(self) -> Qmp:
        if not read_vmm(self.directory):
            raise IsolationError(
                f"cannot ask machine '{self.name}': it does not run", hint=f"provisioner up {self.name}"
            )
        return Qmp(self._vmm / SOCKET, deadline("machine.qmp"))

    @contextlib.contextmanager
    def _locked(self, verb: str) -> Iterator[None]:
        self.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        with only_one(self.directory, f"{verb} machine '{self.name}'", 2 * deadline("machine.boot")):
            yield


def read_end(path: Path, size: int) -> str:
    """Return the end of a console's file as plain text; the file is QEMU's, so a link is not followed."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return ESCAPES.sub("", file.read(size).decode("utf-8", "replace"))
    except OSError:
        return ""
