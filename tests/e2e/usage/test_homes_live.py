"""Homes with signs that runtimes need for themselves: a sandbox starts in them, or one line names the sign."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.connection.local import find_program
from provisioner.paths import HOME
from provisioner.probe.build import probe_binary
from provisioner.runtimes.load import load_runtime

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="runtimes of root: run as root")

WORST = "h ,o#m:e\\q\"u'$%é=;&" + "x" * 40
QUOTED = "h#q\"u'$%=;&"
OWN = "def test_one(sandbox):\n    assert sandbox.process.pid\n"


@pytest.fixture
def below() -> Iterator[Path]:
    """A folder that all users may pass."""
    folder = Path(tempfile.mkdtemp(prefix="iso-", dir="/var/tmp"))
    folder.chmod(0o711)
    yield folder
    subprocess.run([sys.executable, "-m", "provisioner", "prune"], check=False)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("runtime", "name", "said"),
    [
        *((runtime, WORST, "") for runtime in ("unshare", "runc", "crun", "bwrap", "nspawn", "qemu")),
        ("lxc", WORST, "in an overlay of LXC: it contains , : \\"),
        ("lxc", QUOTED, ""),
        ("podman+runc", WORST, "cannot keep podman's storage in "),
        ("podman+runc", QUOTED, ""),
        ("podman+runc", "h\u00e9", "cannot keep podman's storage in "),
    ],
)
def test_a_sandbox_starts_in_any_home(below: Path, runtime: str, name: str, said: str) -> None:
    loaded = load_runtime(runtime)
    if any(find_program(program) is None for program in [loaded.binary or "", *loaded.needs]):
        pytest.skip(f"{runtime} is not installed: script/setup")
    home, built = below / name, probe_binary().path.parent
    shutil.copytree(built, home / "cache" / built.name)
    for folder in (home, home / "cache"):
        folder.chmod(0o755)
    (below / "test_own.py").write_text(OWN)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "test_own.py"]
    command += ["--isolation=container,vm", f"--isolation-runtime={runtime}"]

    done = subprocess.run(
        command, cwd=below, env={**os.environ, HOME: str(home)}, capture_output=True, text=True, timeout=300
    )

    assert "INTERNALERROR" not in done.stdout + done.stderr
    if said:
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        assert said in line
        assert done.returncode == pytest.ExitCode.USAGE_ERROR
    else:
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(find_program("dockerd") is None, reason="dockerd is not installed: apt-get install docker.io")
def test_a_daemon_of_docker_names_the_sign(below: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "provisioner", "daemon", "docker", "--", "true"],
        env={**os.environ, HOME: str(below / "h ,#")},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 1
    assert "cannot run docker's daemon in '" in done.stderr
    assert "Traceback" not in done.stderr
