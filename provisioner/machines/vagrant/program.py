"""Calls Vagrant, through python-vagrant; nothing else does.

In: a lab's folder, and the arguments in front of every command (to enter the lab's namespaces).  Out: Vagrant's
answers, or an IsolationError with the reason.  python-vagrant 1.0.0 takes no machine name for snapshots, fails on
unknown lines, loses the output of a failed command and waits forever.  So here every command names its machine, has a
deadline, no standard input, and the lab's own folders; all output goes to `vagrant.log`.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from provisioner.connection.local import find_program
from provisioner.deadlines import deadline, slow_hint
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.machines.daemonize import end_detached, identify_and_exec, record_undo
from provisioner.machines.vagrant.output import (
    INSTALL,
    QEMU_INSTEAD,
    SshConfig,
    explain,
    parse_snapshots,
    parse_ssh_config,
    parse_state,
)
from provisioner.machines.vagrant.progress import VagrantProgress
from provisioner.paths import PACKAGE

VAGRANTFILE = PACKAGE / "Vagrantfile"
LAB = "PYTEST_ISOLATION_LAB"
KEPT_BYTES = 1 << 20
ROTATE_BYTES = 8 << 20
WATCH_INTERVAL = 1.0  # seconds between two calls of `watch` while Vagrant prints nothing

Watch = Callable[[], None]


class VagrantProgram:
    """
    Vagrant, for the machines of one lab.

    Args:
        directory: the folder for all of Vagrant's files; created here.
        run: the journal that records each command while it runs.
        provider: Vagrant's provider.
        enter: returns the arguments in front of a command; called for each command.
    """

    def __init__(
        self, directory: Path, run: Run, provider: str = "libvirt", enter: Callable[[], Sequence[str]] = lambda: ()
    ) -> None:
        self.directory = directory
        self.provider = provider
        self.lab_file = _lab_file(directory)
        self.log = directory / "vagrant.log"
        self._run = run
        self._enter = enter
        self._stderr = ""
        self._name = ""
        self._seconds = 0.0
        self._watch: Watch = lambda: None

    def up(self, name: str, watch: Watch = lambda: None) -> None:
        """
        Create and boot one machine, or boot it.

        Args:
            name: the machine's name.
            watch: called about once a second while Vagrant prints nothing; raises if waiting is useless.
        """
        with self._reporting(name, "start", "vagrant.up", watch):
            self._calls.up(vm_name=name, provider=self.provider, provision=False)

    def halt(self, name: str) -> None:
        """Shut one machine down."""
        with self._reporting(name, "stop", "vagrant.call"):
            self._calls.halt(vm_name=name)

    def destroy(self, name: str) -> None:
        """Delete one machine with its disk and snapshots."""
        with self._reporting(name, "delete", "vagrant.call"):
            self._calls.destroy(vm_name=name)

    def add_box(self, box: str, file: Path) -> None:
        """Add a box under a name, from a box file or a catalogue (JSON) that names one."""
        with self._reporting("", f"add the box '{box}'", "vagrant.call"):
            shutil.rmtree(self.directory / "home" / "tmp", ignore_errors=True)  # unpacked by a killed Vagrant
            self._calls.box_add(box, str(file), provider=self.provider)

    def state(self, name: str) -> str:
        """Return a machine's state, in the provider's words."""
        with self._reporting(name, "ask for the state of", "vagrant.call"):
            state = parse_state(self._call(["status", name, "--machine-readable"]), name)
        if state is None:
            raise IsolationError(f"cannot read the state of machine '{name}': Vagrant names none", log=self._stderr)
        return state

    def ssh_config(self, name: str) -> SshConfig:
        """Return the address and the keys of a running machine."""
        with self._reporting(name, "ask for the address of", "vagrant.call"):
            config = parse_ssh_config(self._call(["ssh-config", name]), name)
        if config is None:
            raise IsolationError(f"cannot read the address of machine '{name}': Vagrant names none", log=self._stderr)
        return config

    def save_snapshot(self, name: str, snapshot: str) -> None:
        """Save a snapshot of a running machine."""
        with self._reporting(name, "snapshot", "vagrant.call"):
            self._call(["snapshot", "save", name, snapshot, "--force"])

    def restore_snapshot(self, name: str, snapshot: str) -> None:
        """Restore a snapshot."""
        with self._reporting(name, "restore", "vagrant.call"):
            self._call(["snapshot", "restore", name, snapshot, "--no-provision"])

    def snapshots(self, name: str) -> list[str]:
        """Return the names of a machine's snapshots."""
        with self._reporting(name, "ask for the snapshots of", "vagrant.call"):
            return parse_snapshots(self._call(["snapshot", "list", name, "--machine-readable"]), name)

    def delete_snapshot(self, name: str, snapshot: str) -> None:
        """Delete a snapshot."""
        with self._reporting(name, "delete a snapshot of", "vagrant.call"):
            self._call(["snapshot", "delete", name, snapshot])

    @contextlib.contextmanager
    def _reporting(self, name: str, verb: str, seconds: str, watch: Watch = lambda: None) -> Iterator[None]:
        """Turn failures in a `with` block into errors that name the machine and what was tried."""
        self._name, self._seconds, self._watch, self._stderr = name, deadline(seconds), watch, ""
        what = f"{verb} machine '{name}'" if name else verb
        try:
            yield
        except subprocess.CalledProcessError:
            why, hint = explain(self._stderr)
            raise IsolationError(f"cannot {what}: Vagrant: {why}", hint, self._stderr[-4000:]) from None
        except subprocess.TimeoutExpired as error:
            raise IsolationError(
                f"cannot {what}: Vagrant: {error.output} after {error.timeout:.0f} s",
                slow_hint(),
                self._stderr[-4000:],
            ) from None

    @property
    def _calls(self) -> Any:
        """python-vagrant, which knows the argument lists; it runs every command by `_call`."""
        self._check()
        try:
            import vagrant
        except ImportError:
            raise IsolationError(
                "cannot call Vagrant: python-vagrant is not installed",
                hint=f"pip install 'pytest-isolation[lab]'; {QEMU_INSTEAD}",
            ) from None
        call = self._call

        class Calls(vagrant.Vagrant):  # type: ignore[misc, unused-ignore]
            def _call_vagrant_command(self, args: Sequence[str | None]) -> None:
                call([part for part in args if part is not None])

            def _run_vagrant_command(self, args: Sequence[str | None]) -> str:
                return call([part for part in args if part is not None])

        return Calls(root=str(self.directory))  # type: ignore[no-untyped-call, unused-ignore]

    def _check(self) -> str:
        path = find_program("vagrant")
        if path is None:
            raise IsolationError("cannot call Vagrant: it is not installed", hint=INSTALL)
        return path

    def _call(self, argv: Sequence[str]) -> str:
        """Run a command and return its output; its standard error is kept for errors."""
        command = [*self._enter(), self._check(), *argv]
        self._prepare()
        errors, identity = self.directory / "errors.log", self.directory / "vagrant.pid"
        record = record_undo(self._run, identity)
        try:
            with self.log.open("a", encoding="utf-8", errors="replace") as log, errors.open("wb") as stderr:
                print(f"--- {time.strftime('%F %T')} vagrant {' '.join(argv)}", file=log, flush=True)
                output = self._read(command, identity, stderr, log)
        finally:
            self._run.gone(record)
            self._stderr = errors.read_bytes()[-KEPT_BYTES:].decode("utf-8", "replace")
            with self.log.open("a", encoding="utf-8", errors="replace") as log:
                log.write(self._stderr)
        return output

    def _read(self, argv: Sequence[str], identity: Path, stderr: BinaryIO, log: TextIO) -> str:
        """Copy a command's output to the log and to the progress, until it ends or its deadline has passed."""
        kept = bytearray()
        process = subprocess.Popen(
            identify_and_exec(argv, identity),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd="/",
            env=self._environment(),
            start_new_session=True,
        )
        with contextlib.ExitStack() as after, VagrantProgress(self._name, self._seconds) as progress:
            assert process.stdout is not None
            after.callback(_end, process, identity)
            while (left := progress.seconds_left()) > 0:
                if not select.select([process.stdout], [], [], min(WATCH_INTERVAL, left))[0]:
                    self._watch()
                    continue
                chunk = os.read(process.stdout.fileno(), 1 << 16)
                if not chunk:
                    if process.wait(max(0.1, left)):
                        raise subprocess.CalledProcessError(process.returncode, argv)
                    return kept.decode("utf-8", "replace")
                log.write(chunk.decode("utf-8", "replace"))
                log.flush()
                kept += chunk[: max(0, KEPT_BYTES - len(kept))]
                progress.feed(chunk)
            raise subprocess.TimeoutExpired(argv, progress.allowed, progress.lacks)

    def _prepare(self) -> None:
        for folder in (self.directory, self.directory / "home", self.directory / "dotfile"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > ROTATE_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        if not self.lab_file.exists():
            self.lab_file.write_text('{"machines": {}}', "utf-8")
        shutil.copyfile(VAGRANTFILE, self.directory / "Vagrantfile")

    def _environment(self) -> dict[str, str]:
        """Return the environment without the user's settings for Vagrant, with the lab's folders."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("VAGRANT")}
        return env | {
            LAB: str(self.lab_file),
            "VAGRANT_HOME": str(self.directory / "home"),
            "VAGRANT_DOTFILE_PATH": str(self.directory / "dotfile"),
            "VAGRANT_CWD": str(self.directory),
            "VAGRANT_DEFAULT_PROVIDER": self.provider,
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
        }


def _lab_file(directory: Path) -> Path:
    """Return the JSON that the Vagrantfile reads; the file of an older version, lab.yaml, has it too and is renamed."""
    file = directory / "lab.json"
    if not file.exists():
        with contextlib.suppress(FileNotFoundError):  # a new lab has neither file
            (directory / "lab.yaml").rename(file)
    return file


def _end(process: subprocess.Popen[bytes], identity: Path) -> None:
    """End a command and everything that it started, and reap it."""
    end_detached(identity)
    if process.poll() is None:  # otherwise its pid may be reused already
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(deadline("close"))
    assert process.stdout is not None
    process.stdout.close()
