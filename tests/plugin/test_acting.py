"""
The one API of `sandbox`, `peer` and what `sandbox_factory` makes.

On `unshare`, where user namespaces can be made: no privileges are needed, and seconds.
"""

from __future__ import annotations

import pytest
from fakes import USER_NAMESPACES

pytest_plugins = ["pytester"]
pytestmark = [
    pytest.mark.usefixtures("plain"),
    pytest.mark.skipif(
        not USER_NAMESPACES, reason="this host allows no user namespaces: sysctl user.max_user_namespaces"
    ),
]
GREEN = r"""
import pytest
from provisioner.errors import IsolationError
from pytest_isolation.live.acting import NotStarted, TimedOut

@pytest.fixture(params=["sandbox", "peer", "factory"])
def any_sandbox(request, sandbox, peer, sandbox_factory):
    return {"sandbox": lambda: sandbox, "peer": lambda: peer, "factory": sandbox_factory}[request.param]()

def test_all_have_one_api(any_sandbox, tmp_path):
    done = any_sandbox.run("/probe", "echo", stdin="text\n", timeout=20)
    assert (done.returncode, done.stdout, done.stderr, done.args) == (0, "text\n", "", ("/probe", "echo"))
    assert any_sandbox.run("/probe", "none").returncode == 64
    assert any_sandbox.exists("/probe") and not any_sandbox.exists("/none")
    assert any_sandbox.read_text("/proc/sys/kernel/ostype") == "Linux\n"
    any_sandbox.write_text("/tmp/mine", "täxt")
    any_sandbox.get("/tmp/mine", tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "täxt"
    (tmp_path / "mine").write_bytes(b"\0\xff" * 40_000)
    any_sandbox.put(tmp_path / "mine", "/tmp/mine")
    assert any_sandbox.read_bytes("/tmp/mine") == b"\0\xff" * 40_000
    assert any_sandbox.process.pid > 0 and "CHOWN" in any_sandbox.capabilities.bounding
    assert any_sandbox.target.id == "unshare"
    with pytest.raises(NotStarted, match="cannot execute python3: No such file or directory in 'unshare'"):
        any_sandbox.run("python3", "-c", "1")
    with pytest.raises(NotStarted, match="Permission denied"):
        any_sandbox.run("/proc/self/status")
    with pytest.raises(IsolationError, match="cannot read /none: No such file or directory in 'unshare'"):
        any_sandbox.read_text("/none")
    with pytest.raises(IsolationError, match="cannot read '/no/such/file'"):
        any_sandbox.put("/no/such/file", "/tmp/mine")

def test_a_shell(sandbox_factory):
    shell = sandbox_factory(image="shell")
    assert shell.run("sh", "-c", "kill -9 $$").returncode == -9
    assert shell.run("sh", "-c", "none").returncode == 127, "the shell was started, and it is the shell's answer"
    with pytest.raises(TimedOut, match="took more than 0.5 s"):
        shell.run("sleep", "60", timeout=0.5)

@pytest.mark.parametrize(("asked", "why"), [
    ({"image": "shel"}, "did you mean 'shell'"),
    ({"memory": "64 parsecs"}, "counted in bytes"),
    ({"flags": "--x"}, "write a list"),
    ({"volumes": {"/none": "/tmp"}}, "does not exist"),
    ({"volumes": {"/": "tmp"}}, "no absolute path"),
    ({"image": "me/app:1"}, "it has no images"),
])
def test_wrong(sandbox_factory, asked, why):
    with pytest.raises(IsolationError, match=why):
        sandbox_factory(**asked)
"""
UNKNOWN = """
def test_missing(sandbox):
    assert sandbox.run("python3", "-c", "1").returncode != 0, "a test that takes any failure for 'blocked'"
"""


def run(pytester: pytest.Pytester) -> pytest.RunResult:
    options = ("-p", "no:cacheprovider", "-p", "no:randomly", "--isolation=container", "--isolation-runtime=unshare")
    return pytester.runpytest_subprocess(*options, "-v", ".", timeout=600)


def test_sandbox_peer_and_factory_have_one_api(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(GREEN)

    run(pytester).assert_outcomes(passed=10)


def test_a_program_that_could_not_be_started_is_unknown_and_not_blocked(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(UNKNOWN)

    result = run(pytester)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_missing on unshare is unknown: cannot execute python3*"])
