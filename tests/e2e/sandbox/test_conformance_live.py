"""`--isolation-check-runtime`: the packaged roles describe their runtimes rightly, and a wrong description is found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.skeleton import new_role
from provisioner.runtimes.variables import variables_at
from pytest_isolation.fixtures import OFF
from pytest_isolation.session.state import STATE

NAMESPACES = "{{ [{'type': 'pid'}, {'type': 'ipc'}, {'type': 'uts'}, {'type': 'mount'}, {'type': 'cgroup'}] }}"
# what is wrong in a copy of runc's role: the test that finds it, a pattern and what replaces it
WRONG = {
    "the version's pattern": ("tells_its_version", r"match: 'version .*?'", "match: 'nothing (x)'"),
    "the boundary": ("the_host_finds_the_probe", "boundary: process", "boundary: vmm"),
    "the state's process": (
        "state_names_a_process",
        r"state: \{argv: \[.*?\]",
        r"state: {argv: [echo, '{\"pid\": 1}']",
    ),
    "an exec on the host": ("exec_enters", r"exec: \[runc.*\]", 'exec: ["{{ probe }}", "{{ argv[1:] }}"]'),
    "the host's network": (
        "network_is_accepted[none]",
        "    root.path:",
        f'    linux.namespaces: "{NAMESPACES}"\n    root.path:',
    ),
    "an ignored limit": ("limit_is_accepted[memory]", "  memory: .*", "  memory: {}"),
    "a folder that is not shared": ("folder_can_be_shared", r"    mounts: .*", '    mounts: "{{ config.mounts }}"'),
    "a list that shows nothing": ("nothing_is_left", r"list: \{argv: \[.*?\]", 'list: {argv: ["true"]'),
    "a lack without a reason": ("has_a_reason", "  network.private: .*", "  network.host: none"),
}


@pytest.fixture
def runtime(request: pytest.FixtureRequest) -> str:
    """The session's first runtime."""
    state = request.config.stash.get(STATE, None)
    if state is None:
        pytest.skip(OFF)
    return next(iter(state.targets))


def check(name: str, folder: Path) -> tuple[int, list[str], str]:
    """Return the exit status of the conformance test, the tests that failed, and what was printed."""
    argv = [sys.executable, "-m", "pytest", f"--isolation-check-runtime={name}", "-p", "no:cacheprovider", "-rf"]
    done = subprocess.run(
        [*argv, f"--rootdir={folder}"],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=folder,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, re.findall(r"^FAILED \S*::test_(\S+)", done.stdout, re.M), done.stdout + done.stderr


def test_the_packaged_role_conforms(runtime: str, tmp_path: Path) -> None:
    status, failed, output = check(runtime, tmp_path)

    assert status == 0, output
    assert failed == []
    assert "test_it_starts_a_sandbox PASSED" in output


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_role_is_found(runtime: str, tmp_path: Path, what: str) -> None:
    if runtime != "runc":
        pytest.skip(f"a copy of runc's role is wrong, not of {runtime}'s: --isolation-runtime=runc")
    finds, pattern, wrong = WRONG[what]
    (tmp_path / "isolation.yaml").touch()
    role = tmp_path / "roles" / "mine"
    role.mkdir(parents=True)
    for file, text in new_role("mine", "runc").items():
        if file == "runtime.yaml":
            text, count = re.subn(pattern, lambda _: wrong, text, count=1)
            assert count == 1, f"runc's role has no '{pattern}'"
        (role / file).write_text(text, "utf-8")

    status, failed, output = check("mine", tmp_path)

    assert status == 1, output
    assert any(finds in name for name in failed), output


def test_templates_may_name_what_they_get(request: pytest.FixtureRequest, runtime: str) -> None:
    state = request.config.stash[STATE]
    sandbox = state.sandboxes.live(state.targets[runtime])
    made = state.targets[runtime].runtime
    known = variables_at(("create", "#"), (), frozenset(made.define), made.daemon is not None)
    other_images = {"archive", "rootfs", "initramfs", "kernel", "accelerator", "kvm_gid"} - sandbox._values.keys()

    assert sandbox._values.keys() == known - other_images


def test_a_name_that_is_taken_makes_no_role() -> None:
    assert load_runtime("runc")
    with pytest.raises(IsolationError, match="cannot make a role 'runc'"):
        new_role("runc")
