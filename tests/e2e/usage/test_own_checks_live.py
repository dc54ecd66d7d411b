"""A user's own checks, from an empty folder, with the wheel in an environment of its own: docs/how-to/own-checks.md.

Needs uv and a package index for the dependencies; the wheel is built from this tree.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.paths import HOME

ROOT = Path(__file__).resolve().parents[3]
GUIDE = ROOT / "docs" / "how-to" / "own-checks.md"
UV = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
WAIVED = """waivers:
  - {{check: mine.never, target: "self*", reason: the image is being rebuilt, owner: ops, until: {until}}}
"""
DOCUMENTED = """self:
  mine.no_root: {verdict: open, source: our image runs as root}
  mine.never: {verdict: open, source: it is never so}
"""
MORE = '''
import pytest

@pytest.mark.isolation("mine.never", severity="critical", profile="restricted")
def test_never(sandbox):
    """It is never so."""
    assert sandbox.system.hostname == "never", "it is called otherwise"

@pytest.mark.isolation("mine.skipped")
def test_skipped(sandbox):
    """It is not meant here."""
    pytest.skip("not meant here")
'''


@dataclass
class User:
    """Somebody with an empty folder and pytest-isolation."""

    folder: Path
    python: Path
    environment: dict[str, str]

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        argv = [str(self.python), "-m", "pytest", "--isolation=container", "--isolation-runtime=self", *args]
        return subprocess.run(
            argv,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            stdin=subprocess.DEVNULL,
        )

    def cells(self) -> dict[str, dict[str, Any]]:
        document = json.loads((self.folder / "report" / "results.json").read_text())
        return {cell["check"]: cell for cell in document["cells"]}


@pytest.fixture(scope="module")
def installed() -> Iterator[Path]:
    """The interpreter of an environment in which the wheel is installed."""
    if UV is None:
        pytest.skip("builds a wheel and an environment: pip install uv")
    with tempfile.TemporaryDirectory(prefix="isolation-own-") as folder:
        out, environment = Path(folder) / "dist", Path(folder) / "venv"
        uv = [UV, "--quiet"]
        python = environment / "bin" / "python"
        subprocess.run([*uv, "build", "--wheel", "--out-dir", str(out), str(ROOT)], check=True, timeout=300)
        subprocess.run([*uv, "venv", str(environment)], check=True, timeout=300)
        install = [*uv, "pip", "install", "--python", str(python), *map(str, out.glob("*.whl"))]
        done = subprocess.run(install, capture_output=True, text=True, timeout=300)
        if done.returncode != 0 and "error sending request" in done.stderr:
            pytest.skip("no package index answers: the dependencies cannot be installed")
        assert done.returncode == 0, done.stderr
        yield python


@pytest.fixture
def user(installed: Path, tmp_path: Path) -> User:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV", "PYTHONPATH"))}
    environment = kept | {HOME: str(tmp_path / "home"), "COLUMNS": "160"}
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "test_walls.py").write_text(example("test_walls.py"))
    return User(folder, installed, environment)


def example(name: str) -> str:
    """Return the guide's example of that name: the indented lines after its first, a comment."""
    lines = GUIDE.read_text().splitlines()
    start = lines.index(f"    # {name}")
    end = next(at for at, line in enumerate(lines[start:], start) if line.startswith("    pytest "))
    return "\n".join(line.removeprefix("    ") for line in lines[start:end]) + "\n"


def test_the_guides_example_is_in_the_matrix_and_the_reports(user: User) -> None:
    done = user.run("test_walls.py", "--isolation-report=report", "--junitxml=junit.xml")

    cells = user.cells()
    assert set(cells) == {"mine.loopback_only", "mine.no_root"}, done.stdout + done.stderr
    assert {"  mine.loopback_only", "  mine.no_root"} <= {line[:20].rstrip() for line in done.stdout.splitlines()}
    document = json.loads((user.folder / "report" / "results.json").read_text())
    titles = {check["id"]: check["title"] for check in document["checks"]}
    assert titles["mine.loopback_only"] == "Only the loopback interface is there"
    assert "mine.no_root" in (user.folder / "report" / "index.html").read_text()
    assert "mine.no_root" in (user.folder / "junit.xml").read_text()


def test_the_profile_and_the_bundled_suite_beside_it(user: User) -> None:
    (user.folder / "test_walls.py").write_text(MORE)

    stock = user.run("test_walls.py", "--isolation-suite", "--isolation-report=report")
    cells = user.cells()
    asked = user.run("test_walls.py", "--isolation-profile=restricted@1", "--isolation-report=report")

    assert stock.returncode == 0, stock.stdout  # `self` claims no wall
    assert {"mine.never", "ns.pid"} <= set(cells)
    assert cells["mine.skipped"]["verdict"] == "not_applicable"
    assert asked.returncode == 1
    assert user.cells()["mine.never"]["judgement"] == "finding"
    assert "cause:     it is called otherwise; restricted@1 demands it" in asked.stdout


def test_a_waiver_and_a_documented_exception_of_ones_own(user: User) -> None:
    (user.folder / "test_walls.py").write_text(MORE)
    (user.folder / "isolation-expected.yaml").write_text(DOCUMENTED)

    documented = user.run("test_walls.py", "--isolation-report=report")
    first = user.cells()["mine.never"]
    (user.folder / "isolation-expected.yaml").unlink()
    until = datetime.now(UTC).date() + timedelta(days=7)
    (user.folder / "isolation.yaml").write_text(WAIVED.format(until=until))
    waived = user.run("test_walls.py", "--isolation-profile=restricted@1", "--isolation-report=report")

    assert documented.returncode == 0, documented.stdout
    assert (first["judgement"], first["source"]) == ("documented", "it is never so")
    assert waived.returncode == 0, waived.stdout
    assert user.cells()["mine.never"]["judgement"] == "waived"
