"""roles/lxc: what is asked of LXC on each cgroup version and for each variant, and how its refusals are told."""

from __future__ import annotations

import pytest

from provisioner.paths import ROLES
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import Runtime, symptom_in
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import load_expected

ASKED = {
    "memory": {"bytes": 67108864},
    "cpu": {"cpus": 0.5, "quota": 50000, "period": 100000},
    "pids": {"count": 32},
}
V1 = {
    "memory": {"lxc.cgroup.memory.limit_in_bytes=67108864", "lxc.cgroup.memory.memsw.limit_in_bytes=67108864"},
    "cpu": {"lxc.cgroup.cpu.cfs_period_us=100000", "lxc.cgroup.cpu.cfs_quota_us=50000"},
    "pids": {"lxc.cgroup.pids.max=32"},
}
V2 = {
    "memory": {"lxc.cgroup2.memory.max=67108864", "lxc.cgroup2.memory.swap.max=0"},
    "cpu": {"lxc.cgroup2.cpu.max=50000 100000"},
    "pids": {"lxc.cgroup2.pids.max=32"},
}
NEWUIDMAP = """\
lxc-start: NAME: ../src/lxc/conf.c: lxc_map_ids: 3708 newuidmap failed to write mapping "newuidmap: uid range \
[0-65536) -> [100000-165536) not allowed": newuidmap 3450 0 100000 65536
lxc-start: NAME: ../src/lxc/start.c: lxc_spawn: 1788 Failed to set up id mapping.
lxc-start: NAME: ../src/lxc/tools/lxc_start.c: main: 306 The container failed to start
"""
OTHER = """\
lxc-start: NAME: ../src/lxc/conf.c: open_ttymnt_at: 969 No such file or directory - Failed to create "45/lxc/tty1"
lxc-start: NAME: ../src/lxc/start.c: do_start: 1272 Failed to setup container "NAME"
lxc-start: NAME: ../src/lxc/tools/lxc_start.c: main: 311 Additional information can be obtained by setting the logfile
"""


@pytest.fixture(params=["lxc", "lxc-unprivileged"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    return load_runtime(request.param)


@pytest.mark.parametrize(("cgroup", "keys"), [("v1", V1), ("hybrid", V1), ("v2", V2)])
def test_limits_are_written_in_the_keys_of_the_hosts_cgroup_version(
    runtime: Runtime, cgroup: str, keys: dict[str, set[str]]
) -> None:
    """LXC ignores the other version's keys and starts, with a line in its log alone."""
    for name in keys:
        flags = render_argv(runtime.limits[name].flags, {"host": {"cgroup": cgroup}, **ASKED[name]}, name)

        assert set(flags[::2]) == {"--define"}
        assert set(flags[1::2]) == keys[name]


def test_only_the_unprivileged_one_asks_for_a_map() -> None:
    maps = {name: " ".join(load_runtime(name).define["map"]) for name in ("lxc", "lxc-unprivileged")}

    assert maps["lxc"] == ""
    assert "lxc.idmap=u 0 100000 65536" in maps["lxc-unprivileged"]
    assert "lxc.idmap=g 0 100000 65536" in maps["lxc-unprivileged"]


def test_its_own_configuration_is_what_it_is_judged_with(runtime: Runtime) -> None:
    """Without common.conf LXC keeps every capability, has no filter and allows every device."""
    at = runtime.create.index("--rcfile")

    assert runtime.create[at + 1] == "/usr/share/lxc/config/common.conf"


def test_the_rootfs_that_sandboxes_share_is_never_destroyed(runtime: Runtime) -> None:
    commands = [runtime.delete, runtime.create, runtime.exec, runtime.forget]

    assert not any("destroy" in word for argv in commands for word in argv or ())


def test_a_refused_map_names_what_root_lacks(runtime: Runtime) -> None:
    symptom = symptom_in(runtime, NEWUIDMAP)

    assert symptom is not None
    assert symptom.cause.startswith("root has no range of subordinate ids")
    assert symptom.mend.startswith("usermod --add-subuids 100000-165535")


def test_any_other_refusal_is_told_in_lxcs_first_words(runtime: Runtime) -> None:
    """Its last line is the same for every one."""
    symptom = symptom_in(runtime, OTHER)

    assert symptom is not None
    assert symptom.cause == 'No such file or directory - Failed to create "45/lxc/tty1"'


@pytest.mark.parametrize(
    ("check", "variants"),
    [
        ("user.root_mapped", {"default"}),
        ("cap.sys_admin", {"default"}),
        ("path.sys_ro", {"unprivileged"}),
        ("cap.net_raw", {"default", "unprivileged"}),
        ("ns.pid", set()),
    ],
)
def test_exceptions_are_those_of_the_variant(check: str, variants: set[str]) -> None:
    expected = load_expected(ROLES / "lxc" / "expected.yaml")

    documented = {
        variant
        for variant in ("default", "unprivileged")
        if expected.find(check, Conditions(variant=variant)) is not None
    }

    assert documented == variants
