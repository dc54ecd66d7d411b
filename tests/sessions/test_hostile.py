"""Sandboxes that lie, and names with escape sequences, bidi controls and markup: no output shows one raw.

The target is `self` with a lying probe, and the session claims that its subject is a process of the host.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from fakes import USER_NAMESPACES
from isolation_session import nothing_left, run

from provisioner.probe.build import probe_binary

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")

ARGS = ("--isolation=container", "--isolation-runtime=self", "--color=no", "--tb=auto")
# what moves a cursor, hides, or reorders: C0 but the newline, C1, zero width, bidi; and the markup itself
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f]")
MARKUP = "<script>alert(1)"
CONFTEST = """
import os
from provisioner.hosts.host import Host
from pytest_isolation.targets import target as targets

real_values, real_load = Host.values, targets.load_runtime

def values(self, runtime, *args):
    return real_values(self, runtime, *args) | ({"probe": os.environ["LIAR"]} if runtime.name == "self" else {})

Host.values = values

def load(name):
    runtime = real_load(name)
    if name != "self":
        return runtime
    return runtime.model_copy(update={"boundary": "process", "cannot": {**runtime.cannot, "host": ""}})

targets.load_runtime = load
"""
OWN = """
import pytest

@pytest.mark.isolation("mine.hostname", severity="critical", shows=["system.hostname", "system.tasks"])
def test_hostname(sandbox):
    assert sandbox.system.hostname == "box", f"it is called {sandbox.system.hostname}"

def test_rewritten(sandbox):
    assert sandbox.system.hostname == "box"

def test_skips(sandbox):
    pytest.skip(f"it is called {sandbox.system.hostname}")

def test_breaks(sandbox):
    raise RuntimeError(sandbox.system.hostname)

@pytest.fixture
def broken(sandbox):
    from provisioner.errors import IsolationError
    raise IsolationError(f"cannot use {sandbox.system.hostname}", sandbox.system.hostname)

def test_fixture_breaks(broken):
    pass
"""


@pytest.fixture(autouse=True)
def liar(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the session's sandbox be served by a liar."""
    folder = pytester.path / "liar"
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "liar.py", folder / "serve")
    script = folder / "start"
    script.write_text(f'#!/bin/sh\ncd {folder} && exec {sys.executable} serve "$2"\n')
    script.chmod(0o755)
    monkeypatch.setenv("LIAR", str(script))
    monkeypatch.setenv("REAL_PROBE", str(probe_binary().path))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_own=OWN)


def clean(text: str) -> None:
    """Nothing of it is raw."""
    assert RAW.search(text) is None, repr(text[max(0, RAW.search(text).start() - 200) :][:300])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        ("nonce", "they carry another nonce than this sandbox was given"),
        ("two", "cannot read the facts"),
        ("long", "sent more output than requested"),
        ("key", "cannot read the facts: process."),
        ("error", "cannot get 'facts' from 'self'"),
        ("log", "cannot get 'facts' from 'self'"),
        ("hello", "cannot start 'self'"),
    ],
)
def test_a_lie_about_the_document_ends_in_one_clean_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, home: Path, lie: str, told: str
) -> None:
    monkeypatch.setenv("LIE", lie)

    result = run(pytester, *ARGS, "test_own.py")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.startswith("ERROR: ")]
    assert told in line
    clean("\n".join([*result.outlines, *result.errlines]))
    assert nothing_left(home)


@pytest.mark.skipif(
    not USER_NAMESPACES, reason="this user may not make a user namespace: sysctl user.max_user_namespaces"
)
@pytest.mark.parametrize(
    ("lie", "told"),
    [
        ("nonce", "they carry another nonce than this sandbox was given"),
        ("long", "sent more output than requested"),
        ("key", "cannot read the facts: process."),
        ("error", "cannot get 'facts' from 'self'"),
    ],
)
def test_one_liar_keeps_its_column_and_the_others_are_judged(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, home: Path, lie: str, told: str
) -> None:
    monkeypatch.setenv("LIE", lie)

    result = run(
        pytester,
        "--isolation=container",
        "--isolation-runtime=self,unshare",
        "--isolation-profile=baseline@1",
        "--isolation-report=report",
        "--color=no",
        "--pyargs",
        "pytest_isolation.suite.filesystem.test_masks",
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    document = json.loads((pytester.path / "report" / "results.json").read_text())
    cells = {(cell["check"], cell["target"]): cell for cell in document["cells"]}
    assert "unknown" not in {cell["verdict"] for (_, target), cell in cells.items() if target == "unshare"}
    unknown = [cell for (_, target), cell in cells.items() if target == "self" and cell["verdict"] == "unknown"]
    assert unknown
    assert "finding" in {cell["judgement"] for cell in unknown}
    assert any(told in cell["reason"] for cell in unknown)
    (left,) = [one for one in document["skipped"] if one["what"] == "self"]
    assert told in left["reason"]
    clean("\n".join([*result.outlines, *result.errlines]))
    assert nothing_left(home)


def test_forged_values_are_a_finding_that_names_both_views(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIE", "forged")

    result = run(
        pytester, *ARGS, "--isolation-report=report", "--pyargs", "pytest_isolation.suite.namespaces.test_views"
    )

    cells = json.loads((pytester.path / "report" / "results.json").read_text())["cells"]
    (cell,) = [cell for cell in cells if cell["check"] == "view.agree"]
    assert cell["verdict"] == "open"
    assert "seccomp mode 2 inside, 0 outside" in cell["reason"] or "seccomp" in cell["reason"]
    assert result.ret in (0, 1)


@pytest.mark.parametrize("verbose", ["-q", "-vv"])
def test_hostile_names_are_neutralised_in_every_output(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, verbose: str
) -> None:
    monkeypatch.setenv("LIE", "names")

    result = run(
        pytester,
        *ARGS,
        "test_own.py",
        "--isolation-suite",
        "-ra",
        verbose,
        "--isolation-report=report",
        "--junitxml=junit.xml",
    )

    report = pytester.path / "report"
    told = "\n".join([*result.outlines, *result.errlines])
    assert "owned" in told, "the names are shown"
    clean(told)
    clean((report / "results.json").read_text())
    for facts in (report / "facts").iterdir():
        clean(facts.read_text())
    page = (report / "index.html").read_text()
    clean(page)
    assert MARKUP not in page
    junit = (pytester.path / "junit.xml").read_text()
    clean(junit)
    assert MARKUP not in junit
    ET.fromstring(junit)
    for argv in (["report", str(report)], ["judge", "--profile=restricted@1", *map(str, (report / "facts").iterdir())]):
        done = subprocess.run(
            [sys.executable, "-m", "pytest_isolation", *argv], capture_output=True, text=True, timeout=300
        )
        assert "owned" in done.stdout
        clean(done.stdout + done.stderr)
