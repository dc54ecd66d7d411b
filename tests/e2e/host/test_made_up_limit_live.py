"""A made-up limit from a single file, in a real sandbox under a real load: set by a cgroup, and left out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import USER_NAMESPACES

from provisioner.linux.cgroups import cgroup_mode
from provisioner.paths import ROLES

TESTS = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or cgroup_mode() == "none" or not USER_NAMESPACES,
    reason="needs root, cgroup controllers and user namespaces",
)


@pytest.mark.parametrize(("how", "verdict"), [("{cgroup: true}", "holds"), ("{}", "ignored")])
def test_its_cell_is_in_the_matrix(how: str, verdict: str, tmp_path: Path) -> None:
    shutil.copytree(ROLES, tmp_path / "roles")
    role = tmp_path / "roles" / "unshare" / "runtime.yaml"
    lines = [
        line for line in role.read_text().splitlines() if not line.startswith(("  memory: ", "  cpu: ", "  pids: "))
    ]
    role.write_text("\n".join(lines).replace("limits:", f"limits:\n  forks: {how}") + "\n")
    argv = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    argv += ["-p", "made_up_path", str(TESTS / "made_up" / "forks_check.py"), "--isolation=container"]
    argv += ["--isolation-runtime=unshare", f"--isolation-report={tmp_path}/report"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"PYTHONPATH": str(TESTS / "made_up"), "MADE_UP_ROLES": str(tmp_path / "roles")}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=600, check=False)

    assert "lim.forks" in done.stdout, done.stdout + done.stderr
    (cell,) = json.loads((tmp_path / "report" / "results.json").read_text())["cells"]
    assert (cell["check"], cell["verdict"]) == ("lim.forks", verdict), done.stdout
