"""The one place where Vagrant is called: python-vagrant, with its holes closed.

In: a lab's folder, and the arguments in front of every command (the lab's namespaces).  Out: what Vagrant said, or an
IsolationError with the reason.  Called by vagrant.py.  python-vagrant 1.0.0 takes no machine name for snapshots, fails
on lines that it does not know, loses what was said on failure and waits for ever: here a machine is always named, every
call has a deadline, no input, folders of the lab's own, and all that it says goes to the lab's `vagrant.log`.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from provisioner.connection import find_program
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.machines.vagrant_text import (
    INSTALL,
    QEMU_INSTEAD,
    SshConfig,
    explain,
    parse_phase,
    parse_ssh_config,
    parse_state,
)
from provisioner.processes import kill_all, read_process, with_descendants
from provisioner.progress import step

VAGRANTFILE = Path(__file__).parent.parent / "Vagrantfile"
LAB = "PYTEST_ISOLATION_LAB"
PROVIDER = "libvirt"
KEPT_BYTES = 1 << 20
ROTATE_BYTES = 8 << 20


class VagrantProgram:
    """
    Vagrant, for the machines of one lab.

    Args:
        directory: where Vagrant keeps all that is its own; made here.
        enter: gives the arguments in front of every command; asked each time.
        started: told the pid of each command, so that a journal can know it.
    """

    def __init__(
        self,
        directory: Path,
        enter: Callable[[], Sequence[str]] = lambda: (),
        started: Callable[[int], contextlib.AbstractContextManager[None]] = lambda pid: contextlib.nullcontext(),
    ) -> None:
        self.directory = directory
        self.lab_file = directory / "lab.yaml"
        self.log = directory / "vagrant.log"
        self._enter = enter
        self._started = started
        self._said = ""
        self._name = ""
        self._seconds = 0.0

    def up(self, name: str) -> None:
        """Create and boot one machine, or boot it."""
        with self._for(name, "start", "vagrant.up"):
            self._calls.up(vm_name=name, provider=PROVIDER, provision=False)

    def halt(self, name: str) -> None:
        """Shut one machine down."""
        with self._for(name, "stop", "vagrant.call"):
            self._calls.halt(vm_name=name)

    def destroy(self, name: str) -> None:
        """Delete one machine with its disk and snapshots."""
        with self._for(name, "delete", "vagrant.call"):
            self._calls.destroy(vm_name=name)

    def add_box(self, box: str, file: Path) -> None:
        """Add a box file under a name, unless one of that name is there."""
        if (self.directory / "home" / "boxes" / box / "0" / PROVIDER).is_dir():
            return
        with self._for("", f"add the box '{box}'", "vagrant.call"):
            self._calls.box_add(box, str(file), provider=PROVIDER)

    def state(self, name: str) -> str:
        """Return the provider's own word for a machine's state."""
        with self._for(name, "ask for the state of", "vagrant.call"):
            found = parse_state(self._run(["status", name, "--machine-readable"]), name)
        if found is None:
            raise IsolationError(f"cannot read the state of machine '{name}': Vagrant names none", log=self._said)
        return found

    def ssh_config(self, name: str) -> SshConfig:
        """Return where a running machine is reached."""
        with self._for(name, "ask for the address of", "vagrant.call"):
            found = parse_ssh_config(self._run(["ssh-config", name]), name)
        if found is None:
            raise IsolationError(f"cannot read the address of machine '{name}': Vagrant names none", log=self._said)
        return found

    def save_snapshot(self, name: str, snapshot: str) -> None:
        """Freeze a running machine."""
        with self._for(name, "freeze", "vagrant.call"):
            self._run(["snapshot", "save", name, snapshot, "--force"])

    def restore_snapshot(self, name: str, snapshot: str) -> None:
        """Go back to a snapshot."""
        with self._for(name, "restore", "vagrant.call"):
            self._run(["snapshot", "restore", name, snapshot, "--no-provision"])

    @contextlib.contextmanager
    def _for(self, name: str, verb: str, seconds: str) -> Iterator[None]:
        """Say of every failure below which machine it befell."""
        self._name, self._seconds, self._said = name, deadline(seconds), ""
        what = f"{verb} machine '{name}'" if name else verb
        try:
            yield
        except subprocess.CalledProcessError:
            why, mend = explain(self._said)
            raise IsolationError(f"cannot {what}: Vagrant: {why}", mend, self._said[-4000:]) from None
        except subprocess.TimeoutExpired:
            raise IsolationError(
                f"cannot {what}: Vagrant: no end after {self._seconds:.0f} s",
                "raise isolation_timeout_scale on a slow machine",
                self._said[-4000:],
            ) from None

    @property
    def _calls(self) -> Any:
        """python-vagrant, which knows the argument lists; all that it runs, it runs by `_run`."""
        self._check()
        try:
            import vagrant
        except ImportError:
            raise IsolationError(
                "cannot call Vagrant: python-vagrant is not installed",
                hint=f"pip install 'pytest-isolation[lab]'; {QEMU_INSTEAD}",
            ) from None
        run = self._run

        class Calls(vagrant.Vagrant):  # type: ignore[misc, unused-ignore]
            def _call_vagrant_command(self, args: Sequence[str | None]) -> None:
                run([part for part in args if part is not None])

            def _run_vagrant_command(self, args: Sequence[str | None]) -> str:
                return run([part for part in args if part is not None])

        return Calls(root=str(self.directory))  # type: ignore[no-untyped-call, unused-ignore]

    def _check(self) -> str:
        found = find_program("vagrant")
        if found is None:
            raise IsolationError("cannot call Vagrant: it is not installed", hint=INSTALL)
        return found

    def _run(self, argv: Sequence[str]) -> str:
        """Run it to its end and return its output; what it writes to its error stream is kept for error texts."""
        command = [*self._enter(), self._check(), *argv]
        self._prepare()
        errors = self.directory / "errors.log"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd="/",
                env=self._environment(),
                start_new_session=True,
            )
        try:
            with self._started(process.pid), self.log.open("a", errors="replace") as log:
                print(f"--- {time.strftime('%F %T')} vagrant {' '.join(argv)}", file=log, flush=True)
                output = self._read(process, log)
        finally:
            _end(process)
            said = errors.read_bytes()[-KEPT_BYTES:].decode("utf-8", "replace")
            self._said = said
            with self.log.open("a", errors="replace") as log:
                log.write(said)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        return output

    def _read(self, process: subprocess.Popen[bytes], log: Any) -> str:
        """Copy its output to the log, with a step on the screen for each thing that it says it does."""
        assert process.stdout is not None
        until = time.monotonic() + self._seconds
        kept, line = bytearray(), b""
        with contextlib.ExitStack() as phase:
            while select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                chunk = os.read(process.stdout.fileno(), 1 << 16)
                if not chunk:
                    process.wait(max(0.1, until - time.monotonic()))
                    return kept.decode("utf-8", "replace")
                log.write(chunk.decode("utf-8", "replace"))
                log.flush()
                kept += chunk[: max(0, KEPT_BYTES - len(kept))]
                *whole, line = (line + chunk).split(b"\n")
                phases = [
                    found for text in whole if (found := parse_phase(text.decode("utf-8", "replace"), self._name))
                ]
                if phases:
                    phase.close()
                    phase.enter_context(step(phases[-1]))
                line = line[-KEPT_BYTES:]
        raise subprocess.TimeoutExpired(process.args, self._seconds)

    def _prepare(self) -> None:
        for folder in (self.directory, self.directory / "home", self.directory / "dotfile"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > ROTATE_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        if not self.lab_file.exists():
            self.lab_file.write_text('{"machines": {}}\n')
        shutil.copyfile(VAGRANTFILE, self.directory / "Vagrantfile")

    def _environment(self) -> dict[str, str]:
        """Return the environment with nothing of the user's own Vagrant, and with the lab's folders."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("VAGRANT")}
        return env | {
            LAB: str(self.lab_file),
            "VAGRANT_HOME": str(self.directory / "home"),
            "VAGRANT_DOTFILE_PATH": str(self.directory / "dotfile"),
            "VAGRANT_CWD": str(self.directory),
            "VAGRANT_DEFAULT_PROVIDER": PROVIDER,
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
        }


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what still runs of a command, with all that it started, and collect it."""
    identity = read_process(process.pid) if process.poll() is None else None
    if identity is not None:
        kill_all(with_descendants([identity]))
    process.wait(deadline("close"))
    if process.stdout is not None:
        process.stdout.close()
