"""A made-up limit from a single file, in a real sandbox under a real load: set by a cgroup, and left out."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from fakes import USER_NAMESPACES
from made_up.made_up_session import HERE, run_pytest

from provisioner.linux.cgroups import cgroup_mode
from provisioner.paths import ROLES

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or cgroup_mode() == "none" or not USER_NAMESPACES,
    reason="needs root, cgroup controllers and user namespaces: `provisioner doctor` says which is missing and why",
)


@pytest.mark.parametrize(("how", "verdict"), [("{cgroup: true}", "holds"), ("{}", "ignored")])
def test_its_cell_is_in_the_matrix(how: str, verdict: str, tmp_path: Path) -> None:
    shutil.copytree(ROLES, tmp_path / "roles")
    role = tmp_path / "roles" / "unshare" / "runtime.yaml"
    lines = [
        line for line in role.read_text().splitlines() if not line.startswith(("  memory: ", "  cpu: ", "  pids: "))
    ]
    role.write_text("\n".join(lines).replace("limits:", f"limits:\n  forks: {how}") + "\n")
    args = ["-p", "made_up_path", str(HERE / "forks_check.py"), "--isolation=container"]
    args += ["--isolation-runtime=unshare", f"--isolation-report={tmp_path}/report"]
    done = run_pytest(tmp_path, *args, MADE_UP_ROLES=str(tmp_path / "roles"))

    assert "lim.forks" in done.stdout, done.stdout + done.stderr
    (cell,) = json.loads((tmp_path / "report" / "results.json").read_text())["cells"]
    assert (cell["check"], cell["verdict"]) == ("lim.forks", verdict), done.stdout
