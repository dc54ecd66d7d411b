"""Starts a hypervisor's process so that it outlives us, knows it again, and ends it.

In: an argument list and a machine's folder.  Out: a `Process`, whose identity lies in the folder's file `vmm.pid` from
before the first moment of the hypervisor, written by the very process that becomes it.  Called by qemu.py; and as
`python -m provisioner.machines.qemu.vmm FOLDER` by a journal that is undone, to end what a killed run was starting.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.linux.processes import Process, is_alive, kill_all, send_signal, wait_gone

PID_FILE = "vmm.pid"
LOG_FILE = "vmm.log"
START_TIMEOUT = 10.0  # seconds until the new process has written who it is
POLL = 0.005
# $$ is this shell's number, and the number and start time of whatever it becomes
BECOME = 'cat "/proc/$$/stat" /proc/sys/kernel/random/boot_id >"$0" && exec "$@"'


def start_vmm(argv: Sequence[str], folder: Path, cwd: Path) -> Process:
    """
    Start a hypervisor in a session of its own, a child of init.

    Args:
        argv: what to run, which must not fork.
        folder: the machine's; its pid and what it says on its error stream are kept there.
        cwd: where it runs.

    Raises:
        IsolationError: it cannot be started.
    """
    pid_file = folder / PID_FILE
    pid_file.unlink(missing_ok=True)
    with (folder / LOG_FILE).open("wb") as log:
        try:
            subprocess.run(
                ["setsid", "--fork", "sh", "-c", BECOME, str(pid_file), *argv],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=START_TIMEOUT,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise IsolationError(f"cannot start '{argv[0]}': {error}", hint="install util-linux") from None
    until = time.monotonic() + START_TIMEOUT
    while (process := _read_identity(pid_file)) is None:
        if time.monotonic() > until:
            raise IsolationError(f"cannot start '{argv[0]}': it did not begin", log=read_log(folder))
        time.sleep(POLL)
    return process


def read_vmm(folder: Path) -> Process | None:
    """Return the machine's running hypervisor, None when there is none."""
    process = _read_identity(folder / PID_FILE)
    return process if process is not None and is_alive(process) else None


def end_vmm(folder: Path, seconds: float = 0.0) -> None:
    """
    End the machine's hypervisor, if it runs.

    Args:
        folder: the machine's.
        seconds: to wait for an end that was asked for already, before it is killed.

    Raises:
        IsolationError: it is still there after SIGKILL.
    """
    process = read_vmm(folder)
    if process is not None and wait_gone([process], seconds):
        send_signal(process, signal.SIGCONT)
        if kill_all([process]):
            raise IsolationError(f"cannot end process {process.pid} of machine '{folder.name}': it survives SIGKILL")
    (folder / PID_FILE).unlink(missing_ok=True)


def read_log(folder: Path) -> str:
    """Return the end of what the hypervisor said on its error stream."""
    try:
        return (folder / LOG_FILE).read_text(errors="replace")[-2000:]
    except OSError:
        return ""


def _read_identity(pid_file: Path) -> Process | None:
    """Parse /proc/PID/stat (its first field, and the 22nd) and the boot id; None while it is not written whole."""
    try:
        stat, boot = pid_file.read_text(errors="replace").rstrip("\n").rsplit("\n", 1)
        return Process(int(stat.split(maxsplit=1)[0]), int(stat.rpartition(")")[2].split()[19]), boot)
    except (OSError, ValueError, IndexError):
        return None


if __name__ == "__main__":
    end_vmm(Path(os.fsdecode(sys.argv[1])))
