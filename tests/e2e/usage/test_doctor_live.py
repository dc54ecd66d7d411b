"""`provisioner doctor` on the machine itself: what it says is so, what it starts it ends, and anybody may ask."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import wait_for
from residue import Home

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: run the tests as root")
needs_docker = pytest.mark.skipif(shutil.which("dockerd") is None, reason="needs dockerd: apt-get install docker.io")
DOCTOR = (sys.executable, "-m", "provisioner", "doctor")


@pytest.fixture
def home() -> Iterator[Home]:
    made = Home("qemu" if shutil.which("qemu-system-x86_64") else "unshare")
    try:
        yield made
    finally:
        made.remove()


def begin(home: Home, *argv: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home.path,
        env={**home.environment, **environment},
    )


def examine(home: Home, *argv: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Run a doctor in this home; returns its status, its report and what it said on its error stream."""
    process = begin(home, *(argv or (*DOCTOR, "--json")), **environment)
    home.await_run(process)
    told, errors = process.communicate(timeout=900)
    assert "Traceback" not in errors
    return process.returncode, json.loads(told), errors


def states(report: dict[str, Any]) -> dict[str, str]:
    return {finding["name"]: finding["state"] for finding in report["findings"]}


def assert_nothing_left(home: Home) -> None:
    """Look for processes, mounts, cgroups, namespaces, images and files that name this home or one of its runs."""
    wait_for(lambda: not home.processes())
    assert home.left() == []


def test_a_report_is_whole_and_leaves_nothing(home: Home) -> None:
    status, report, _ = examine(home)

    assert status == 0
    assert home.ids
    assert_nothing_left(home)
    failed = [one for one in report["findings"] if one["seen"].startswith(("the look failed", "no answer"))]
    assert failed == []
    for finding in report["findings"]:
        assert finding["state"] in ("ok", "unknown") or finding["cost"], finding


def test_what_it_says_of_a_runtime_is_what_a_session_meets(home: Home) -> None:
    _, report, _ = examine(home)
    able = {one["name"]: one["state"] for one in report["abilities"]}
    with home.session("test_it_answers.py") as process:
        told = home.finish(process)

    assert (able[home.target] == "ok") == (process.returncode == 0), told


@needs_root
def test_an_installed_runtime_that_does_not_run_is_lacking(home: Home) -> None:
    fake = home.path / "bin" / "runc"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\n[ $# = 1 ] && echo 'runc version 9.9.9' || { echo 'runc: setns: no' >&2; exit 1; }\n")
    fake.chmod(0o755)
    path = f"{fake.parent}:{os.environ['PATH']}"
    status, report, errors = examine(home, *DOCTOR, "--json", "--require", "runc", PATH=path)

    assert (status, states(report)["runc"]) == (1, "lacking")
    assert errors.splitlines()[-1].startswith("provisioner: cannot run 'runc': ")


@needs_root
@needs_docker
def test_a_daemon_makes_the_difference(home: Home) -> None:
    require = (*DOCTOR, "--json", "--require", "docker")
    without, lacking, _ = examine(home, *require, DOCKER_HOST=f"unix://{home.path}/no.sock")
    with_one, there, errors = examine(home, sys.executable, "-m", "provisioner", "daemon", "docker", "--", *require)

    assert (without, states(lacking)["docker"]) == (1, "lacking")
    assert (with_one, states(there)["docker"]) == (0, "ok"), errors
    assert_nothing_left(home)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_one_that_is_ended_half_way_leaves_nothing_after_a_prune(home: Home, number: int) -> None:
    process = begin(home, *DOCTOR)
    home.await_run(process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=900)
    if number == signal.SIGKILL:
        _, report, _ = examine(home)
        assert states(report)["leftovers"] == "limited"
        home.prune()

    assert process.returncode != 0
    assert "Traceback" not in errors
    assert_nothing_left(home)


@needs_root
def test_nobody_may_ask_too(home: Home) -> None:
    code = "import pydantic, provisioner.cli.main"
    path = os.pathsep.join(part for part in sys.path if part)
    pythons = [sys.executable, "/usr/bin/python3"]
    for python in pythons:
        tried = subprocess.run(
            [*NOBODY, python, "-c", code], env={"PYTHONPATH": path}, capture_output=True, timeout=300, cwd="/"
        )
        if tried.returncode == 0:
            break
    else:
        pytest.skip("no Python that nobody may start can import the package: install it where all users can read")
    for folder in [home.path, *home.path.rglob("*")]:
        os.chown(folder, 65534, 65534)
    argv = (*NOBODY, python, "-m", "provisioner", "doctor", "--json", "--require", "runc")
    status, report, errors = examine(home, *argv, PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1", USER="nobody")

    assert report["user"] == "nobody"
    assert (status, states(report)["runc"]) == (1, "lacking")
    assert "cannot run 'runc'" in errors
    assert not [one for one in report["findings"] if one["seen"].startswith("the look failed")]
    mends = [one["mend"] for one in report["findings"] if "apt-get install" in one["mend"]]
    assert all(mend.startswith("sudo ") for mend in mends)
    wait_for(lambda: not home.processes())
    for folder in [home.path, *home.path.rglob("*")]:
        os.chown(folder, 0, 0, follow_symlinks=False)
    assert home.left() == []
