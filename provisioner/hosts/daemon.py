"""Runs a runtime's daemon in a data root and a network namespace of its own, while a command runs.

In: a `Daemon` with rendered strings.  Out: the variables by which its clients find it.  The host's own daemon, network
and images are not changed.  Nothing is left: processes are found by namespace and descent, not by name, and the journal
has an entry before each thing is made.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.connection.local import CommandTimeout, run_command
from provisioner.errors import IsolationError
from provisioner.interrupt.program import undoing
from provisioner.journal.entry import UndoEntry
from provisioner.journal.lanes import undo_all
from provisioner.journal.run import Run
from provisioner.linux.mounts import read_mounts
from provisioner.linux.netns import make_netns, netns_path
from provisioner.paths import run_dir
from provisioner.progress import step
from provisioner.runtimes.render import render_argv, render_value
from provisioner.runtimes.runtime import Runtime

POLL = 0.05  # seconds
STOP_TIMEOUT = 20.0  # dockerd gives its containers up to 15 s
SOCKET_BYTES = 107  # unix(7): sun_path
LONGEST_SOCKET = "exec/containerd/containerd-debug.sock"
LOG_LINES = 20


@dataclass(frozen=True)
class Daemon:
    """
    How a runtime's daemon is started.

    Args:
        name: the runtime's name.
        binary: the program, searched on PATH.
        argv: its arguments, without the program.
        env: variables for the daemon and its clients.
        ready: an argument list that exits with 0 when the daemon answers.
        timeout: seconds until it must answer.
        root: the folder for all of its data, from `daemon_root`; deleted at the end.
        files: the text of files to write below `root` first, by name.
        cgroups: names of top-level cgroups that it makes and does not delete; deleted if they did not exist before.
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
    Return the path for a daemon's data, which argument lists need; the folder is not made yet.

    Raises:
        IsolationError: the path is too long for a unix socket below it.
    """
    root = run_dir() / f"{name}-{run.id}"
    if len(os.fsencode(root / LONGEST_SOCKET)) > SOCKET_BYTES:
        raise IsolationError(
            f"cannot run '{name}' in '{root}': the path is too long for a socket",
            hint="set PYTEST_ISOLATION_HOME to a shorter one",
        )
    return root


def daemon_of(runtime: Runtime, run: Run) -> Daemon:
    """Return how a runtime's daemon is started, with a data root that the journal deletes."""
    name, spec = runtime.name, runtime.daemon
    if spec is None:
        raise IsolationError(f"cannot run the daemon of '{name}': it has none", "leave out `provisioner daemon`")
    root = daemon_root(run, name)
    values = {"dir": str(root)}
    return Daemon(
        name=name,
        binary=spec.binary,
        argv=tuple(render_argv(spec.argv, values, f"{name}: daemon.argv")),
        env={key: str(render_value(text, values, f"{name}: daemon.env")) for key, text in spec.env.items()},
        ready=tuple(render_argv(spec.ready, values, f"{name}: daemon.ready")),
        timeout=spec.timeout,
        root=root,
        files=spec.files,
        cgroups=tuple(spec.cgroups),
    )


def daemon_netns(name: str, run: Run) -> Path:
    """Return the path of the network namespace in which a runtime's daemon runs."""
    return netns_path(f"iso-{name}-{run.id}")


@contextlib.contextmanager
def running(daemon: Daemon, run: Run, furnish: Callable[[Path], None] | None = None) -> Iterator[dict[str, str]]:
    """
    Run a daemon during a `with` block.

    Args:
        daemon: the daemon.
        run: the journal that entries it.
        furnish: adds interfaces to its network namespace, which has its loopback alone, before the daemon starts.

    Yields:
        The variables by which clients find it.

    Raises:
        IsolationError: it is not installed, cannot start or does not answer in time; with the end of its log.
    """
    binary = shutil.which(daemon.binary)
    if binary is None:
        raise IsolationError(f"cannot start '{daemon.name}': {daemon.binary} is not installed", hint="install it")
    netns = daemon_netns(daemon.name, run).name
    entries = [run.made("path", daemon.root)]
    entries += [run.made("cgroup", folder) for folder in _absent_cgroups(daemon)]
    entries.append(run.made("netns", netns))  # last, so undone first: it kills all that still runs
    process: subprocess.Popen[bytes] | None = None
    try:
        _write_files(daemon)
        path = make_netns(netns)
        if furnish is not None:
            furnish(path)
        with step(f"start {daemon.name}"):
            process = _start(daemon, binary, path)
            _await_ready(daemon, process)
        yield dict(daemon.env)
    finally:
        with undoing(f"stopping {daemon.name}"), step(f"stop {daemon.name}"):
            if process is not None:
                _stop(process)
            _remove(entries, run)
            if process is not None:
                process.wait(STOP_TIMEOUT)  # killed by now: reap it


def _absent_cgroups(daemon: Daemon) -> list[Path]:
    """Return the paths of the daemon's top-level cgroups that do not exist yet."""
    mounts = [mount for mount in read_mounts() if mount.fstype in ("cgroup", "cgroup2")]
    folders = [mount.target / name for mount in mounts for name in daemon.cgroups]
    return [folder for folder in folders if not folder.exists()]


def _write_files(daemon: Daemon) -> None:
    daemon.root.mkdir(mode=0o711, parents=True)
    daemon.root.chmod(0o711)  # mapped ids must be able to search it
    for name, text in daemon.files.items():
        (daemon.root / name).write_text(text)


def _start(daemon: Daemon, binary: str, netns: Path) -> subprocess.Popen[bytes]:
    """Start it by nsenter(1): `ip netns exec` hides the cgroup mounts."""
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
    try:
        return run_command(daemon.ready, seconds, daemon.env).status == 0
    except CommandTimeout:
        return False


def _failure(daemon: Daemon, why: str) -> IsolationError:
    lines = _log(daemon).read_text("utf-8", errors="replace").strip().splitlines()[-LOG_LINES:]
    last = f": {lines[-1][:300]}" if lines else ""
    return IsolationError(f"cannot start '{daemon.name}': {why}{last}", log="\n".join(lines))


def _log(daemon: Daemon) -> Path:
    return daemon.root / "daemon.log"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate it, so that it stops its containers in order; what is left is killed with the namespace."""
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT)


def _remove(entries: list[UndoEntry], run: Run) -> None:
    """Undo the entries; what fails stays in the journal, for run.close or a prune."""
    _, failures = undo_all(entries)
    failed = {entry.number for entry, _ in failures}
    for entry in entries:
        if entry.number not in failed:
            run.gone(entry)
