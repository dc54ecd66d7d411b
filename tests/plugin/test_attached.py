"""Sessions that attach to a process of this user's: no privileges, no runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from isolation_session import nothing_left, run, usage_error

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")

SUITE = ("--pyargs", "pytest_isolation.suite")
ACTING = """
import pytest

@pytest.mark.isolation("mine.pid", severity="low")
def test_observes(sandbox, host_facts):
    assert sandbox.process.pid != host_facts.process.pid

def test_runs_something(sandbox):
    sandbox.run("/bin/true")

def test_makes_another(sandbox_factory):
    sandbox_factory()

@pytest.mark.isolation_destructive
def test_destroys(sandbox):
    raise SystemExit("never called")

@pytest.mark.isolation_active
def test_acts(sandbox):
    raise SystemExit("never called")
"""


@pytest.fixture
def pid() -> Iterator[int]:
    """The process of somebody else's sandbox, as far as the session knows."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdout.read(1)  # it has loaded what it needs
        yield process.pid
        assert process.poll() is None, "it was ended"
        process.kill()


def state_of(pid: int) -> dict[str, str]:
    """Return what would tell of a change."""
    proc = Path(f"/proc/{pid}")
    # neither the mounts, which it shares with the host, nor how often it was scheduled
    told = {name: (proc / name).read_text() for name in ("cgroup", "limits", "maps")}
    told["fd"] = str(sorted(os.readlink(path) for path in (proc / "fd").iterdir()))
    told["children"] = (proc / "task" / str(pid) / "children").read_text()
    return told


def test_without_isolation_the_attached_one_is_the_only_column(pytester: pytest.Pytester, home: Path, pid: int) -> None:
    before = state_of(pid)

    result = run(pytester, f"--isolation-attach=pid:{pid}", "--isolation-report=report", *SUITE)

    assert result.ret == 0
    document = json.loads((pytester.path / "report" / "results.json").read_text())
    assert [f"pid:{pid}"] == [target["id"] for target in document["targets"]]
    verdicts = {cell["check"]: cell for cell in document["cells"]}
    assert verdicts["ns.pid"]["verdict"] == "open"
    assert verdicts["path.sys_ro"]["verdict"] == "unknown"
    assert "a bare process has no runtime with an exec" in verdicts["path.sys_ro"]["reason"]
    assert verdicts["lim.memory"]["verdict"] in ("open", "unknown")
    for check in ("net.peer_same", "ns.peer"):
        assert verdicts[check]["verdict"] == "not_applicable"
        assert verdicts[check]["reason"].startswith("attached")
    assert [{"target": f"pid:{pid}", "reason": "what made it is unknown"}] == [
        {key: one[key] for key in ("target", "reason")} for one in document["beside"]
    ]
    result.stdout.fnmatch_lines([f"pid:{pid}: not compared with a fresh one: what made it is unknown"])
    assert before == state_of(pid)
    assert nothing_left(home)


def test_it_stands_beside_other_targets_and_workers_change_nothing(pytester: pytest.Pytester, pid: int) -> None:
    found = []
    for workers in ("-n0", "-n2"):
        args = ("--isolation=container", "--isolation-runtime=self", f"--isolation-attach=pid:{pid}", workers)
        result = run(pytester, *args, f"--isolation-report={workers}", *SUITE)
        assert result.ret == 0
        document = json.loads((pytester.path / workers / "results.json").read_text())
        found.append({(cell["check"], cell["target"]): cell["verdict"] for cell in document["cells"]})

    assert {target for _, target in found[0]} == {"self", f"pid:{pid}"}
    # its walk of a whole host has a deadline: unknown where the host is busy
    walked = {cells.pop(("img.setuid", "self")) for cells in found}
    assert found[0] == found[1]
    assert len(walked - {"unknown"}) <= 1


def test_own_tests_that_act_are_skipped_and_those_that_observe_run(pytester: pytest.Pytester, pid: int) -> None:
    pytester.makepyfile(test_own=ACTING)

    result = run(pytester, f"--isolation-attach=pid:{pid}", "test_own.py", "-rs")

    result.assert_outcomes(passed=1, skipped=4)
    result.stdout.fnmatch_lines(["SKIPPED*attached: nothing is started in a sandbox*"])


def test_an_archive_is_judged_as_it_was(pytester: pytest.Pytester, pid: int) -> None:
    run(pytester, f"--isolation-attach=pid:{pid}", "--isolation-report=report", *SUITE)
    facts = [str(path) for path in (pytester.path / "report" / "facts").iterdir()]

    done = subprocess.run(
        [sys.executable, "-m", "pytest_isolation", "judge", *facts, "--report", "again"],
        cwd=pytester.path,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    was, now = (
        json.loads((pytester.path / name / "results.json").read_text())["cells"] for name in ("report", "again")
    )
    assert was == now


def gone() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--isolation-attach=pid:{gone}"], "cannot attach to 'pid:{gone}': there is no such process"),
        (["--isolation-attach=pid"], "'pid' names no sandbox; it is RUNTIME:NAME"),
        (["--isolation-attach=pid:{pid}", "--isolation-attach=pid:x"], "'x' is no process id; it is pid:N"),
        (["--isolation-attach=pid:{pid}", "--isolation-require=qemu"], "'qemu' is none of this run's targets"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_4(
    pytester: pytest.Pytester, home: Path, pid: int, args: list[str], told: str
) -> None:
    values = {"gone": gone(), "pid": pid}

    line = usage_error(run(pytester, *(arg.format(**values) for arg in args), *SUITE))

    assert told.format(**values) in line
    assert nothing_left(home)


def test_collecting_looks_at_nothing(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--isolation-attach=pid:2147483647", "--collect-only", "-q", *SUITE)

    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_namespaces.py::*pid:2147483647*"])
