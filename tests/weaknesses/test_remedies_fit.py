"""The remedy of each plant fits what was done, in the words of its runtime.

Nothing is started.  test_synthetic.py asks the same of made-up weaknesses.
"""

from __future__ import annotations

import pytest
from fitting import FLAG, OWN, asks_for, described, foreign, given, remedy, role
from plant import Plant
from plants import PLANTS

from pytest_isolation.policy.remedies import reproduce_for

CASES = [
    pytest.param(runtime, plant, check, id=f"{runtime}: {plant.name}: {check}")
    for plant in PLANTS
    for runtime in plant.runtimes
    for check in (*plant.opens, *(check for check, verdict in plant.also.items() if verdict == "open"))
    if role(runtime) in OWN
]


@pytest.mark.parametrize(("runtime", "plant", "check"), CASES)
def test_the_remedy_of_a_plant_fits(runtime: str, plant: Plant, check: str) -> None:
    text = remedy(runtime, check, plant.verdict, plant.opens.get(check, ""), plant.user)
    shown = reproduce_for(described()[check], role(runtime))

    assert text
    assert foreign(text, role(runtime)) == []
    assert shown
    assert foreign(shown.partition(": ")[0], role(runtime)) == []
    done = set(given(plant))
    assert [part for part in asks_for(text) for flag in FLAG.findall(part) if flag.replace(" ", "=") in done] == []


# what was done, as the reason says it; the words of the remedy
FITTING = [
    ("docker", "seccomp.dangerous", "open", "the filter lets through keyctl", "seccomp=FILE"),
    ("docker", "seccomp.dangerous", "open", "no filter is installed", "seccomp=unconfined"),
    ("docker", "seccomp.dangerous", "open", "the filter allows by default every call that it does not name",
     "defaultAction"),
    ("docker", "lsm.confined", "open", "its label 'mine (complain)' is not enforced", "aa-enforce"),
    ("docker", "ns.exec_parity", "open", "process 4300 (sh, pid 9 inside) lives in another cgroup", "cgroup.procs"),
    ("docker", "net.peer_same", "open", "its peer accepted a connection: refused", "--publish"),
    ("docker", "user.nonroot", "open", "process 4300 (sh, pid 9 inside) runs as uid 0 inside", "docker exec --user=0"),
    ("docker", "mnt.host_paths", "open", "/mnt is an overlay: its lowerdir is the host's /etc", "lowerdir"),
    ("docker", "user.nested_userns", "open", "it makes a user namespace …; its filter lets it pass", "seccomp=FILE"),
    ("podman", "lim.pids", "ignored", "64 children came up", "drop --cgroups=disabled"),
    ("nspawn", "lim.memory", "ignored", "it took 80 MiB of 64", "has no effect"),
    ("lxc", "lim.memory", "ignored", "it took 80 MiB of 64", "cgroup v2 alone"),
    ("lxc", "ns.exec_parity", "open", "an exec'd process lives in another cgroup: /.lxc and not / of v", ".lxc"),
    ("docker", "lim.memory", "ignored", "the cgroup shows 67112960 bytes, 67108864 were asked for", "docker update"),
    ("docker", "lim.memory", "ignored", "the cgroup shows no limit bytes, 67108864 were asked for", "docker info"),
    ("docker", "cap.exec_parity", "open", "an exec'd process also holds SYS_PTRACE", "nsenter(1)"),
    ("runc", "seccomp.sockets", "open", "opens AF_VSOCK; no filter is installed", "defaultAction"),
    ("runc", "path.binfmt", "open", "it may mount binfmt_misc: fsopen.no_such_fs is not refused", "CAP_SYS_ADMIN"),
]  # fmt: skip


@pytest.mark.parametrize(("runtime", "check", "verdict", "reason", "words"), FITTING)
def test_the_remedy_names_what_was_done(runtime: str, check: str, verdict: str, reason: str, words: str) -> None:
    assert words in remedy(runtime, check, verdict, reason)


NO_LIMIT = "limit=none: its cgroup and those above set no limit"
IGNORED = [plant for plant in PLANTS if plant.verdict == "ignored"]


@pytest.mark.parametrize("plant", IGNORED, ids=lambda plant: f"{plant.runtimes[0]}: {plant.name}")
def test_the_remedy_of_an_ignored_limit_does_not_repeat_it(plant: Plant) -> None:
    for runtime in plant.runtimes:
        for check, reason in plant.opens.items():
            asked = remedy(runtime, check, "open", NO_LIMIT, plant.user)
            assert asked != remedy(runtime, check, "ignored", reason, plant.user) or "has no setting" in asked
