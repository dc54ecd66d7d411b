"""provisioner.linux.cgroups on this machine's kernel: limits that bite, and nothing left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.limits.limits import Limits
from provisioner.linux import cgroups
from provisioner.linux.mounts import read_mounts

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="making cgroups below the root needs root"),
    pytest.mark.skipif(cgroups.cgroup_mode() == "none", reason="no cgroup controllers are mounted here"),
]
LIMITS = Limits(memory=32 << 20, cpus=0.5, pids=16).cgroup_settings()


def all_cgroups() -> set[str]:
    roots = [mount.target for mount in read_mounts() if mount.fstype in ("cgroup", "cgroup2")]
    return {name for root in roots for name, _, _ in os.walk(root) if f"isolation-test{os.getpid()}" in name}


@pytest.fixture
def made() -> Iterator[cgroups.Cgroups]:
    before = all_cgroups()
    found = cgroups.make_cgroups(f"test{os.getpid()}", "one", LIMITS)
    yield found
    found.delete()
    found.delete()
    assert all_cgroups() == before


def run_inside(made: cgroups.Cgroups, script: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    join = "".join(f"echo $$ > {folder}/cgroup.procs; " for folder in made.dirs)
    argv = ["sh", "-c", f'{join} exec python3 -c "$1"', "sh", script]
    return subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False)


def test_a_hog_is_killed(made: cgroups.Cgroups) -> None:
    assert run_inside(made, "x = bytearray(128 << 20)").returncode == -9


def test_forks_are_refused(made: cgroups.Cgroups) -> None:
    script = "import os, time\nfor n in range(64):\n    if not os.fork():\n        time.sleep(1)\n        os._exit(0)"

    assert "BlockingIOError" in run_inside(made, script).stderr


def test_half_a_processor_is_given(made: cgroups.Cgroups) -> None:
    script = "import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass\nprint(time.process_time())"

    assert float(run_inside(made, script).stdout) < 1.3


def test_what_still_runs_is_killed_with_its_cgroup() -> None:
    made = cgroups.make_cgroups(f"test{os.getpid()}", "two", LIMITS)
    nested = made.dirs[0] / "nested"
    nested.mkdir()
    with subprocess.Popen(["sleep", "60"]) as child:
        (nested / "cgroup.procs").write_text(str(child.pid))
        started = time.monotonic()
        made.delete()
        assert time.monotonic() - started < 30
        assert child.wait(60) == -9

    assert not any(folder.parent.exists() for folder in made.dirs)


def test_a_name_twice_is_refused_and_the_first_stays(made: cgroups.Cgroups) -> None:
    with pytest.raises(IsolationError, match="exists already"):
        cgroups.make_cgroups(f"test{os.getpid()}", "one", LIMITS)
    assert all(folder.is_dir() for folder in made.dirs)


def test_a_limit_that_the_kernel_refuses_leaves_nothing() -> None:
    before = all_cgroups()

    with pytest.raises(IsolationError, match="refuses"):
        cgroups.make_cgroups(f"test{os.getpid()}", "big", Limits(pids=1 << 62).cgroup_settings())
    assert all_cgroups() == before


def test_a_user_without_permission_is_told_how(tmp_path: Path) -> None:
    script = (
        "from provisioner.linux.cgroups import make_cgroups; from provisioner.limits.limits import Limits\n"
        "from provisioner.errors import IsolationError\n"
        "import os; os.setgid(65534); os.setuid(65534)\n"
        "try: make_cgroups('test', 'user', Limits(pids=5).cgroup_settings())\n"
        "except IsolationError as error: print(error)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(cgroups.__file__).parents[2]), "HOME": str(tmp_path)}
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, env=env, check=False)

    assert "systemd-run --user --scope -p Delegate=yes" in done.stdout
    assert done.stdout.startswith("cannot ")
