"""One cgroup controller that is not mounted makes one limit unknown; the others are measured.

The controller's hierarchy is unmounted in a mount namespace of the session alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.linux.mounts import read_mounts

HIERARCHIES = {option: mount.target for mount in read_mounts() if mount.fstype == "cgroup" for option in mount.options}
WITHOUT = 'umount --lazy "$1" && shift && exec "$@"'
PYTEST = ("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:testinfra", "-c", os.devnull, "-n0")


@pytest.mark.skipif(os.geteuid() != 0, reason="unmounts in a namespace of its own: run as root")
@pytest.mark.parametrize("controller", ["memory", "pids"])
@pytest.mark.parametrize("runtime", ["unshare"])
def test_the_other_limits_are_measured(controller: str, runtime: str, tmp_path: Path) -> None:
    if controller not in HIERARCHIES:
        pytest.skip(f"no hierarchy of cgroup v1 has the controller {controller}")
    session = [sys.executable, "-m", *PYTEST, "--rootdir=.", "--isolation=container", f"--isolation-runtime={runtime}"]
    session += ["--isolation-suite", "--isolation-report=report", "-k", "limit_is_in_force"]
    argv = ["unshare", "--mount", "--propagation", "private", "bash", "-c", WITHOUT, "bash"]

    done = subprocess.run(
        [*argv, str(HIERARCHIES[controller]), *session], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )

    text = done.stdout + done.stderr
    cells = json.loads((tmp_path / "report" / "results.json").read_text())["cells"]
    found = {cell["check"]: cell["verdict"] for cell in cells if cell["check"] in ("lim.memory", "lim.cpu", "lim.pids")}
    assert found == {**dict.fromkeys(found, "holds"), f"lim.{controller}": "unknown"}, text
    assert len(found) == 3, text
    (reason,) = [cell["reason"] for cell in cells if cell["check"] == f"lim.{controller}"]
    assert f"no {controller} controller is mounted" in reason
    assert "as root" not in reason
    assert "AttributeError" not in text
