"""Without --isolation nothing changes: no heavy module, no selection, one reason line for what needs sandboxes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

HEAVY = ("pydantic", "jinja2", "ruamel", "fabric", "rich", "typer", "filelock")
OWN_MODULES = 8
BUDGET = 0.25  # of what pytest's own import takes
IMPORTED = r"^import time:\s+\d+ \|\s+(\d+) \| +(pytest|pytest_isolation\.plugin)$"
ARGS = ("-p", "no:cacheprovider", "-p", "no:randomly")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("COLUMNS", "200")


def test_tests_that_need_sandboxes_are_skipped_with_one_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_one(sandbox): raise AssertionError
        def test_two(sandbox_factory, peer, host_facts): raise AssertionError
        def test_three(): pass
        """
    )

    result = pytester.runpytest_inprocess(*ARGS, "-rs")

    result.assert_outcomes(passed=1, skipped=2)
    reasons = [line for line in result.outlines if line.startswith("SKIPPED")]
    reason = "needs sandboxes: run with --isolation=container, vm, or container,vm"
    assert [line.partition(": ")[2] for line in reasons] == [reason] * 2


def test_nothing_is_written_to_the_terminal(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(): pass")

    result = pytester.runpytest_inprocess(*ARGS)

    assert "isolation:" not in result.stdout.str()


def test_bundled_suite_is_skipped(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(*ARGS, "--pyargs", "pytest_isolation.suite.namespaces.test_namespaces")

    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"skipped"}
    assert result.ret == 0


def test_markers_are_shown(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(*ARGS, "--markers")

    result.stdout.fnmatch_lines(
        ["@pytest.mark.isolation(id, *,*", "@pytest.mark.isolation_active:*", "@pytest.mark.isolation_destructive:*"]
    )


def test_every_option_starts_with_the_name(pytester: pytest.Pytester) -> None:
    shown = pytester.runpytest_inprocess(*ARGS, "--help").stdout.str()

    section = shown.partition("isolation: test the boundary")[2].partition("\n\n")[0]
    options = re.findall(r"^\s+(--[\w-]+)", section, re.MULTILINE)
    assert len(options) > 8
    assert all(option.startswith("--isolation") for option in options)


def test_no_heavy_module_is_imported(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(): pass")
    code = (
        "import sys, pytest\n"
        "status = pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'no:testinfra', '-p', 'no:xdist'])\n"
        "own = sorted(m for m in sys.modules if m.startswith(('pytest_isolation', 'provisioner')))\n"
        f"heavy = sorted(m for m in {HEAVY!r} if m in sys.modules)\n"
        "print('STATUS', int(status), 'HEAVY', ','.join(heavy), 'OWN', len(own), ' '.join(own))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, cwd=pytester.path)

    (told,) = [line for line in done.stdout.splitlines() if line.startswith("STATUS")]
    status, heavy, count = re.fullmatch(r"STATUS (\d+) HEAVY (\S*) OWN (\d+) .*", told).groups()  # type: ignore[union-attr]
    assert (status, heavy) == ("0", ""), told
    assert int(count) <= OWN_MODULES, told


def test_plugin_is_imported_within_its_budget() -> None:
    """
    Against pytest's own import in the same process, which a busy machine slows as much.

    What pytest has imported itself does not count; the best of three, for a machine stalls at times.
    """
    code = "import pytest; pytest.main(['--version', '-p', 'no:isolation']); import pytest_isolation.plugin"
    best = min(import_share(code) for _ in range(3))

    assert best < BUDGET, f"{best:.2f} of pytest's own"


def import_share(code: str) -> float:
    """Return how long the plugin's import took, of what pytest's did."""
    argv = [sys.executable, "-X", "importtime", "-c", code]
    told = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True).stderr
    by_name = {name: int(us) for us, name in re.findall(IMPORTED, told, re.MULTILINE)}
    return by_name["pytest_isolation.plugin"] / by_name["pytest"]


def test_an_option_without_a_kind_is_refused_with_the_line_to_type(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(): pass")

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--isolation-report=a b", "-q")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.strip()]
    assert line.startswith("ERROR: --isolation-report needs --isolation: pytest --isolation=container ")
    assert "'--isolation-report=a b' -q" in line


def test_an_option_of_the_ini_file_is_kept_for_runs_with_a_kind(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naddopts = --isolation-report=report\n")
    pytester.makepyfile("def test_one(): pass")

    assert pytester.runpytest_subprocess("-p", "no:cacheprovider").ret == pytest.ExitCode.OK
