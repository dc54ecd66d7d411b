"""Runs as the first process of a micro VM whose kernel gives cgroup v2 all controllers; prints one JSON object.

In: /app/provisioner and /app/settings.py.  Out: `RESULT {…}` on the console, then power off.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
POWER_OFF = 0x4321FEDC
libc = ctypes.CDLL(None, use_errno=True)


def mount_all() -> None:
    for target, kind in (("/proc", "proc"), ("/sys", "sysfs"), ("/dev", "devtmpfs"), (str(ROOT), "cgroup2")):
        assert libc.mount(b"none", target.encode(), kind.encode(), 0, None) == 0, target


def run_inside(folder: Path, act: Callable[[], int | None]) -> int:
    """Run a function in a child that has joined the cgroup, and return its wait status."""
    pid = os.fork()
    if pid == 0:
        (folder / "cgroup.procs").write_text(str(os.getpid()))
        os._exit(act() or 0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def count_forks() -> int:
    for number in range(20):
        try:
            if os.fork() == 0:
                time.sleep(2)
                os._exit(0)
        except BlockingIOError:
            return number
    return 20


def burn() -> int:
    end = time.monotonic() + 2
    while time.monotonic() < end:
        pass
    return int(time.process_time() * 10)


def look() -> list[str]:
    return [path.name for path in ROOT.iterdir() if path.is_dir()] + (
        ROOT / "cgroup.subtree_control"
    ).read_text().split()


def check_root() -> dict[str, object]:
    from settings import SOUND, TOO_LARGE

    from provisioner.errors import IsolationError
    from provisioner.linux.cgroups import cgroup_mode, make_cgroups

    found: dict[str, object] = {"mode": cgroup_mode(), "before": look()}
    made = make_cgroups("0a1b2c3d", "one", SOUND)
    folder = made.dirs[0]
    found["files"] = [(folder / name).read_text().strip() for name in ("memory.max", "cpu.max", "pids.max")]
    found["hog"] = run_inside(folder, lambda: len(bytearray(64 << 20)) and 1)
    found["forks"] = run_inside(folder, count_forks)
    found["burn"] = run_inside(folder, burn)
    (folder / "nested").mkdir()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as left:
        (folder / "nested" / "cgroup.procs").write_text(str(left.pid))
        made.delete()
        found["left"] = left.wait(60)
    try:
        make_cgroups("0a1b2c3d", "big", TOO_LARGE)
    except IsolationError as error:
        found["refused"] = error.what
    found["after"] = look()
    return found


def check_user(delegated: bool) -> str:
    """Try as uid 1000 from /user/scope, where /user is delegated to it or not; the error's text, or the folder made."""
    from settings import SOUND

    from provisioner.errors import IsolationError
    from provisioner.linux.cgroups import make_cgroups

    (ROOT / "cgroup.subtree_control").write_text("+memory +cpu +pids")
    scope = ROOT / "user" / "scope"
    scope.mkdir(parents=True, exist_ok=True)
    for folder in (scope.parent, scope):
        for path in (folder, folder / "cgroup.procs", folder / "cgroup.subtree_control"):
            os.chown(path, *((1000, 1000) if delegated else (0, 0)))
    reader, writer = os.pipe()

    def act() -> None:
        os.setgid(1000)
        os.setuid(1000)
        try:
            made = make_cgroups("0a1b2c3d", "one", SOUND)
            os.write(writer, str(made.dirs[0]).encode())
            made.delete()
        except IsolationError as error:
            os.write(writer, str(error).encode())

    run_inside(scope, act)
    os.close(writer)
    with open(reader) as stream:
        return stream.read()


if __name__ == "__main__":
    try:
        mount_all()
        sys.path.insert(0, "/app")
        result = check_root()
        result["delegated"] = check_user(True)
        result["plain"] = check_user(False)
        print("RESULT", json.dumps(result), flush=True)
    except BaseException:
        traceback.print_exc()
    libc.sync()
    libc.reboot(POWER_OFF)
