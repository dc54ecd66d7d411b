"""roles/podman: what a user's podman is asked for and what root's, and how a user's refusals are told."""

from __future__ import annotations

import pytest

from provisioner.paths import ROLES
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import symptom_in
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import load_expected
from pytest_isolation.policy.policy import Judgement, Policy
from pytest_isolation.policy.verdict import Check, Verdict

USER = {"variant": "default", "user": "other", "cgroup": "v1", "kernel": "6.12"}
# as podman 4.3.1 said them
SAID = {
    "Error: unknown flag: --root": (
        "it asks a service",
        "unset CONTAINER_HOST and CONTAINER_CONNECTION where they are",
    ),
    "Error: the specified runroot is longer than 50 characters": ("50 characters", "PYTEST_ISOLATION_HOME"),
    'level=error msg="command required for rootless mode with multiple IDs: exec: \\"newuidmap\\": executable file not '
    'found in $PATH"': ("newuidmap, which maps them, is not installed", "uidmap"),
    'cannot set up namespace using "/usr/bin/newuidmap": should have setuid or have filecaps setuid: exit status 1': (
        "newuidmap may not map ids",
        "--reinstall uidmap",
    ),
    'Error: could not find slirp4netns, the network namespace can\'t be configured: exec: "slirp4netns": executable '
    "file not found in $PATH": ("slirp4netns", "install --no-install-recommends slirp4netns"),
    'Error: /usr/bin/slirp4netns failed: "open(\\"/dev/net/tun\\"): Permission denied\\nWARNING: Support for seccomp': (
        "cannot open /dev/net/tun: Permission denied",
        "chmod 0666 /dev/net/tun",
    ),
}


@pytest.mark.parametrize("name", ["podman", "podman+runc"])
@pytest.mark.parametrize("root", [True, False])
def test_only_root_is_given_a_manager_of_cgroups(name: str, root: bool) -> None:
    runtime = load_runtime(name)
    values: dict[str, object] = {"host": {"root": root, "sys_resource": True}, "state": "/state", "run_dir": "/run"}
    for key, argv in runtime.define.items():
        values[key] = render_argv(argv, values, key)
    empty: dict[str, object] = {"network": [], "limits": [], "flags": []}
    create = render_argv(runtime.create, {**values, **empty, "name": "n", "run": "1", "image": "i", "nonce": "x"}, "")

    assert ("--cgroup-manager" in create) == root
    assert ("--cgroup-parent" in create) == root
    assert ("--runtime" in create) == name.endswith("+runc")


def test_each_folder_of_what_runs_has_a_storage_of_its_own() -> None:
    """podman's database holds both, and refuses the storage of another login with "database configuration mismatch"."""
    storage = load_runtime("podman").define["storage"]
    logins = ("/run/user/1000/pytest-isolation/podman", "/home/u/.local/state/pytest-isolation/run/podman")
    roots = {render_argv(storage, {"state": "/state", "run_dir": run}, "")[1] for run in logins}

    assert len(roots) == len(logins)


@pytest.mark.parametrize("said", SAID)
def test_what_a_user_lacks_is_named_with_its_mend(said: str) -> None:
    symptom = symptom_in(load_runtime("podman"), said)

    assert symptom is not None
    cause, mend = SAID[said]
    assert cause in symptom.cause
    assert mend in symptom.mend


@pytest.mark.parametrize(
    ("reason", "judgement"),
    [
        ("it shares its user namespace with its peer", Judgement.DOCUMENTED),
        ("it shares its pid, user namespace with its peer", Judgement.FINDING),
        ("it shares its net namespace with its peer", Judgement.FINDING),
    ],
)
def test_of_what_a_users_containers_share_the_user_namespace_alone_is_documented(
    reason: str, judgement: Judgement
) -> None:
    policy = Policy(expected={"podman": load_expected(ROLES / "podman" / "expected.yaml")})
    ruling = policy.judge(Check("ns.peer"), "container", "podman", "podman", Conditions(**USER), Verdict.OPEN, reason)

    assert ruling.judgement is judgement


@pytest.mark.parametrize(
    ("user", "cgroup", "documented"), [("other", "v1", True), ("other", "v2", False), ("root", "v1", False)]
)
@pytest.mark.parametrize("check", ["lim.memory", "lim.cpu", "lim.pids"])
def test_limits_of_a_user_are_ignored_on_the_first_version_alone(
    check: str, user: str, cgroup: str, documented: bool
) -> None:
    expected = load_expected(ROLES / "podman" / "expected.yaml")

    found = expected.find(check, Conditions(**{**USER, "user": user, "cgroup": cgroup}))
    assert (found is not None and found.verdict == Verdict.IGNORED) == documented
