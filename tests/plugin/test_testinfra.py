"""
testinfra in each target: --isolation makes `isolation://TARGET` the default of --hosts.

On `self` and, where user namespaces can be made, on `unshare`: no privileges are needed, and seconds.
"""

from __future__ import annotations

import pytest
from fakes import USER_NAMESPACES

pytest.importorskip("testinfra", reason="pip install 'pytest-isolation[lab]'")

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")

TARGETS = "self,unshare" if USER_NAMESPACES else "self"
EXISTING = """
def test_shell(host):
    assert host.run("echo %s; exit 3", "it's").stdout == "it's\\n"
    assert host.run("exit 3").rc == 3
    assert host.file("/").is_directory
"""


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", *args, ".", timeout=900)


def on(targets: str) -> tuple[str, str]:
    return "--isolation=container", f"--isolation-runtime={targets}"


def test_an_existing_test_runs_unchanged_on_every_target(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_existing=EXISTING)

    result = run(pytester, "-v", *on(TARGETS))

    result.assert_outcomes(passed=len(TARGETS.split(",")))
    result.stdout.fnmatch_lines_random([f"*test_shell?{name}?*PASSED*" for name in TARGETS.split(",")])
    assert "test_existing.py::test_shell" in result.stdout.str().split("own tests")[1], "it is a row of the matrix"


def test_without_isolation_testinfra_is_as_it_was(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_existing=EXISTING)

    result = run(pytester, "-v")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_shell?local?*PASSED*"])


def test_hosts_that_the_user_named_are_kept(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_existing=EXISTING)

    result = run(pytester, "-v", *on("self"), "--hosts=local://")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_shell?local?*PASSED*"])


def test_a_module_may_name_its_targets_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_existing=EXISTING)

    result = run(pytester, "-v", *on("self"), "--hosts=isolation://self")

    result.assert_outcomes(passed=1)


def test_a_target_that_is_not_there_is_one_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_existing=EXISTING)

    result = run(pytester, *on("self"), "--hosts=isolation://docker")

    assert result.ret == pytest.ExitCode.USAGE_ERROR or result.ret == pytest.ExitCode.INTERRUPTED
    assert "isolation://docker: no such target; there are: self" in result.stdout.str() + result.stderr.str()


def test_workers_run_it_too(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(test_existing=EXISTING)

    run(pytester, "-n2", *on(TARGETS)).assert_outcomes(passed=len(TARGETS.split(",")))


def test_collecting_makes_no_sandbox(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_existing=EXISTING)

    result = run(pytester, "--collect-only", "-q", *on("self"))

    result.stdout.fnmatch_lines(["*test_shell?self?"])


def test_a_failing_test_is_a_finding_of_its_target(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_existing="def test_never(host):\n    assert host.file('/nowhere').exists\n")

    result = run(pytester, *on("self"), "--isolation-profile=baseline@1")

    result.assert_outcomes(failed=1)


@pytest.mark.skipif(not USER_NAMESPACES, reason="this host allows no user namespaces: sysctl user.max_user_namespaces")
def test_a_sandbox_has_testinfra_and_is_made_anew_after_a_destructive_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.mark.isolation_destructive
        def test_breaks(sandbox):
            assert sandbox.testinfra.run("echo x >/dev/shm/canary 2>/dev/null || echo x >/tmp/canary; kill -KILL -1").rc
        def test_is_whole(sandbox):
            assert sandbox.testinfra.file("/bin/sh").exists
        """
    )

    run(pytester, *on("unshare")).assert_outcomes(passed=2)


@pytest.mark.parametrize(("ended", "status"), [("exit 0", 0), ("exit 3", 3), ("signal 9", 137), ("end of stream", 255)])
def test_an_end_reads_as_a_shell_says_it(ended: str, status: int) -> None:
    from pytest_isolation.live.testinfra import exit_status

    assert exit_status(ended) == status


def test_a_target_on_a_machine_is_named_so_that_a_url_holds_it() -> None:
    from pytest_isolation.live.testinfra import hosts_of, target_of

    named = hosts_of(["docker", "debian12/podman+runc", "debian12"])

    assert named == "isolation://docker,isolation://podman+runc@debian12,isolation://debian12"
    assert target_of("podman+runc@debian12") == target_of("debian12%2Fpodman+runc") == "debian12/podman+runc"


MOLECULE = """
import os
import testinfra.utils.ansible_runner

testinfra_hosts = testinfra.utils.ansible_runner.AnsibleRunner(os.environ["MOLECULE_INVENTORY_FILE"]).get_hosts("all")

def test_shell(host):
    assert host.run("exit 3").rc == 3
    assert os.environ["MOLECULE_SCENARIO_NAME"] == "default"
    assert os.path.isfile(os.environ["MOLECULE_FILE"])
"""


def test_the_tests_of_a_molecule_scenario_run_unchanged(pytester: pytest.Pytester) -> None:
    scenario = pytester.mkdir("molecule") / "default"
    (scenario / "tests").mkdir(parents=True)
    (scenario / "molecule.yml").write_text("driver: {name: docker}\n")
    (scenario / "tests/test_default.py").write_text(MOLECULE)

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *on("self"), str(scenario), timeout=900)

    result.assert_outcomes(passed=1)


def test_variables_that_molecule_set_are_kept(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLECULE_INVENTORY_FILE", "/molecules/own")
    pytester.makepyfile(
        test_own="""
        import os
        def test_kept(sandbox): assert os.environ["MOLECULE_INVENTORY_FILE"] == "/molecules/own"
        """
    )

    run(pytester, *on("self")).assert_outcomes(passed=1)


@pytest.mark.skipif(not USER_NAMESPACES, reason="this host allows no user namespaces: sysctl user.max_user_namespaces")
def test_what_busybox_cannot_answer_is_unknown_with_the_mend(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        def test_getent(host): assert host.user("root").shell == "/bin/sh"
        def test_option(host): assert host.check_output("ps -Aww")
        """
    )

    result = run(pytester, *on("unshare"))

    result.assert_outcomes(failed=2)
    mend = "*is unknown: cannot ask BusyBox in 'unshare': {}; run with --isolation-userland=debian"
    result.stdout.fnmatch_lines_random([mend.format("it has no 'getent'"), mend.format("its ps has no such option")])


def test_an_unknown_userland_names_the_nearest_one(pytester: pytest.Pytester) -> None:
    result = run(pytester, *on("self"), "--isolation-userland=debain")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unknown userland 'debain'; did you mean 'debian'?*"])
