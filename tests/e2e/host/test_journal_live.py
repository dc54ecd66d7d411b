"""provisioner.journal.run with things that only root can make: after a SIGKILL, prune removes exactly these."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.journal.prune import prune
from provisioner.journal.run import Run
from provisioner.linux import cgroups
from provisioner.linux.mounts import mounted_below
from provisioner.linux.processes import read_process

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nsenter"), reason="needs root and nsenter"),
    pytest.mark.skipif(cgroups.cgroup_mode() == "none", reason="no cgroup controllers are mounted here"),
]

OWNER = """
import subprocess, sys, time
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from provisioner.linux import cgroups
from provisioner.linux import netns
from provisioner.journal.run import Run
from provisioner.limits.limits import Limits
folder = Path(sys.argv[1])
run = Run.start()
made = cgroups.make_cgroups(run.id, "one", Limits(pids=5).cgroup_settings(), lambda path: run.made("cgroup", path))
inside = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
(made.dirs[0] / "cgroup.procs").write_text(str(inside.pid))
run.made("netns", f"iso-{run.id}")
path = netns.make_netns(f"iso-{run.id}")
member = subprocess.Popen(["nsenter", f"--net={path}", "sleep", "60"], stdout=subprocess.DEVNULL)
run.made("path", folder / "cache" / "root")
(folder / "cache" / "root" / "bound").mkdir(parents=True)
run.made("mount", folder / "cache" / "root" / "bound")
subprocess.run(["mount", "--bind", str(folder / "precious"), str(folder / "cache" / "root" / "bound")], check=True)
print(run.id, inside.pid, member.pid, made.dirs[0], flush=True)
time.sleep(60)
"""


def test_cgroups_namespaces_mounts_and_who_lives_in_them_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path))
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    argv = [sys.executable, "-c", OWNER, str(tmp_path), *sys.path]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        run_id, inside, member, folder = owner.stdout.readline().split()
        assert prune() == []
        owner.kill()

    said = prune()

    assert [line.split()[1] for line in said[:3]] == ["mount", "path", "netns"]
    assert {line.split()[1] for line in said[3:]} == {"cgroup"}
    assert not Path(folder).parent.exists()
    assert not Path(f"/run/netns/iso-{run_id}").exists()
    assert (read_process(int(inside)), read_process(int(member))) == (None, None)
    assert mounted_below(tmp_path) == []
    assert (tmp_path / "precious" / "file").exists()
    assert not (tmp_path / "cache" / "root").exists()


def test_a_bind_mount_nobody_recorded_does_not_cost_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path))
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    run = Run.start()
    run.made("path", tmp_path / "cache" / "root")
    (tmp_path / "cache" / "root" / "bound").mkdir(parents=True)
    argv = ["mount", "--bind", str(tmp_path / "precious"), str(tmp_path / "cache" / "root" / "bound")]
    subprocess.run(argv, check=True, timeout=300)

    run.close()

    assert not (tmp_path / "cache" / "root").exists()
    assert (tmp_path / "precious" / "file").exists()
