"""Namespaces that a sandbox has in common with the process that keeps it (process/keeper.c)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from served_probe import as_root, ask, wait_until

from provisioner.facts.namespaces import InCommon


@contextlib.contextmanager
def started(*argv: str) -> Iterator[int]:
    """Start a program that starts others; yields the pid of the one that is to be the sandbox's: `sleep 61`."""
    with subprocess.Popen(argv, start_new_session=True) as process:
        try:
            wait_until(lambda: bool(sandboxes_of(process.pid)))
            yield sandboxes_of(process.pid)[0]
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def sandboxes_of(session: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == session and (folder / "cmdline").read_bytes() == b"sleep\x0061\0":
                found.append(int(folder.name))
    return found


def common(probe: Path, pid: int) -> list[InCommon]:
    return ask(str(probe), "outside", "n1", f"pid:{pid}").process.keeper


DAEMON = "sleep 60 & unshare --mount --pid --fork {} sleep 61 & wait"


@as_root
def test_the_namespace_of_a_daemon_is_named_with_a_process_in_it(probe: Path) -> None:
    with started("unshare", "--net", "--uts", "--kill-child", "--fork", "sh", "-c", DAEMON.format("")) as pid:
        found = common(probe, pid)

    assert [one.kind for one in found] == ["net", "uts"]
    assert {one.name for one in found} <= {"sh", "sleep", "unshare"}
    assert pid not in {one.pid for one in found}


@as_root
def test_what_is_its_own_or_the_hosts_is_not_in_common(probe: Path) -> None:
    with started("unshare", "--net", "--kill-child", "--fork", "sh", "-c", DAEMON.format("--net")) as own:
        assert common(probe, own) == []
    with started("unshare", "--kill-child", "--mount", "--fork", "sh", "-c", DAEMON.format("")) as hosts:
        assert common(probe, hosts) == []


@as_root
def test_what_made_its_namespaces_is_no_daemon(probe: Path) -> None:
    argv = ("unshare", "--net", "--ipc", "--mount", "--pid", "--kill-child", "--fork", "sh", "-c", "sleep 61 & wait")
    with started(*argv) as pid:
        assert common(probe, pid) == []
