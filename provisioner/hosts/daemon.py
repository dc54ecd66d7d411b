"""Runs a runtime's daemon in a data root and a network namespace of its own, for the time of a command.

In: a `Daemon`, whose strings are already rendered.  Out: the environment by which its client finds it.  Called by
sandboxes/ for runtimes that have a `daemon:` in their runtime.yaml.  The host's own daemon, network and images are
never touched, and nothing is left: processes are found by namespace and descent, never by name, and all stands in the
journal before it is made.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.journal.undo import undo_all
from provisioner.linux.mounts import read_mounts
from provisioner.linux.netns import make_netns
from provisioner.paths import run_dir
from provisioner.progress import step

POLL = 0.05  # seconds
STOP_TIMEOUT = 20.0  # dockerd gives its containers up to 15 s
SOCKET_BYTES = 107  # unix(7): sun_path
LONGEST_SOCKET = "exec/containerd/containerd-debug.sock"
LOG_LINES = 20


@dataclass(frozen=True)
class Daemon:
    """
    How one runtime's daemon is run.

    Args:
        name: the runtime's.
        binary: the program, found on PATH.
        argv: its arguments, without the program.
        env: what the daemon and its clients need in their environment.
        ready: an argument list that exits 0 once the daemon answers.
        timeout: seconds until then, at most.
        root: the folder that holds all of its data, from `daemon_root`; removed at the end.
        files: files to write below `root` first, by their name.
        cgroups: names of top-level cgroups that it makes and leaves behind: removed when they were not there before.
    """

    name: str
    binary: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: tuple[str, ...]
    timeout: float
    root: Path
    files: Mapping[str, str] = field(default_factory=dict)
    cgroups: tuple[str, ...] = ()


def daemon_root(run: Run, name: str) -> Path:
    """
    Return the folder for a daemon's data, not yet made; argument lists are rendered with it.

    Raises:
        IsolationError: it is so deep that a socket in it could not be bound.
    """
    root = run_dir() / f"{name}-{run.id}"
    if len(os.fsencode(root / LONGEST_SOCKET)) > SOCKET_BYTES:
        raise IsolationError(
            f"cannot run '{name}' in '{root}': the path is too long for a socket",
            hint="set PYTEST_ISOLATION_HOME to a shorter one",
        )
    return root


@contextlib.contextmanager
def running(daemon: Daemon, run: Run) -> Iterator[dict[str, str]]:
    """
    Run a daemon for the time of a `with` block.

    Args:
        daemon: what to run.
        run: whose journal records it.

    Yields:
        The variables by which clients find it.

    Raises:
        IsolationError: it is not installed, may not run, or does not answer in time; with the end of its log.
    """
    binary = shutil.which(daemon.binary)
    if binary is None:
        raise IsolationError(f"cannot start '{daemon.name}': {daemon.binary} is not installed", hint="install it")
    netns = f"iso-{daemon.name}-{run.id}"
    records = [run.made("path", daemon.root)]
    records += [run.made("cgroup", folder) for folder in _absent_cgroups(daemon)]
    records.append(run.made("netns", netns))  # last, so undone first: it ends all that is still running
    process: subprocess.Popen[bytes] | None = None
    try:
        _write_files(daemon)
        path = make_netns(netns)
        with step(f"start {daemon.name}"):
            process = _start(daemon, binary, path)
            _await_ready(daemon, process)
        yield dict(daemon.env)
    finally:
        with step(f"stop {daemon.name}"):
            if process is not None:
                _stop(process)
            _remove(records, run)
            if process is not None:
                process.wait(STOP_TIMEOUT)  # killed by now at the latest: collect its status


def _absent_cgroups(daemon: Daemon) -> list[Path]:
    """Return where the daemon's top-level cgroups would stand and do not yet."""
    mounts = [mount for mount in read_mounts() if mount.fstype in ("cgroup", "cgroup2")]
    folders = [mount.target / name for mount in mounts for name in daemon.cgroups]
    return [folder for folder in folders if not folder.exists()]


def _write_files(daemon: Daemon) -> None:
    daemon.root.mkdir(mode=0o711, parents=True)
    daemon.root.chmod(0o711)  # mapped ids must pass through to a container's root
    for name, text in daemon.files.items():
        (daemon.root / name).write_text(text)


def _start(daemon: Daemon, binary: str, netns: Path) -> subprocess.Popen[bytes]:
    """Start it by nsenter(1): `ip netns exec` would hide the cgroup mounts from it."""
    with _log(daemon).open("wb") as log:
        try:
            return subprocess.Popen(
                ["nsenter", f"--net={netns}", binary, *daemon.argv],
                env={**os.environ, **daemon.env},
                cwd=daemon.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise IsolationError(f"cannot start '{daemon.name}': {error}", hint="install util-linux") from None


def _await_ready(daemon: Daemon, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + daemon.timeout
    while process.poll() is None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _failure(daemon, f"no answer after {daemon.timeout:.0f} s")
        if _answers(daemon, min(left, 5.0)):
            return
        time.sleep(POLL)
    raise _failure(daemon, f"it ended with status {process.returncode}")


def _answers(daemon: Daemon, seconds: float) -> bool:
    quiet = subprocess.DEVNULL
    env = {**os.environ, **daemon.env}
    try:
        return (
            subprocess.run(daemon.ready, env=env, stdin=quiet, stdout=quiet, stderr=quiet, timeout=seconds).returncode
            == 0
        )
    except subprocess.TimeoutExpired:
        return False
    except OSError as error:
        raise IsolationError(f"cannot ask '{daemon.name}': {daemon.ready[0]}: {error.strerror}") from None


def _failure(daemon: Daemon, why: str) -> IsolationError:
    lines = _log(daemon).read_text(errors="replace").strip().splitlines()[-LOG_LINES:]
    last = f": {lines[-1][:300]}" if lines else ""
    return IsolationError(f"cannot start '{daemon.name}': {why}{last}", log="\n".join(lines))


def _log(daemon: Daemon) -> Path:
    return daemon.root / "daemon.log"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, so that it takes down its containers in order; who stays is killed with the namespace."""
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT)


def _remove(records: list[UndoEntry], run: Run) -> None:
    """Undo the records; what will not go stays in the journal, for run.close and prune to try again."""
    _, failures = undo_all(records)
    kept = {record.number for record, _ in failures}
    for record in records:
        if record.number not in kept:
            run.gone(record)
