"""The doctor's looks at what this user may do: namespaces, ids, capabilities."""

from __future__ import annotations

import os
from typing import Any

import pytest
from fakes_doctor import FakeSystem, ask

from provisioner.doctor.finding import State

TOOLS = {"setpriv": "", "unshare": ""}


@pytest.mark.parametrize("root", [True, False])
def test_user_namespaces_are_tried_as_somebody_without_privileges(root: bool) -> None:
    system = FakeSystem(programs=TOOLS, root=root)

    assert ask("users", "user namespaces", system).state == State.OK
    assert system.commands[0][0] == ("setpriv" if root else "unshare")
    assert system.commands[0][-1] == "true"


@pytest.mark.parametrize(
    ("files", "mend"),
    [
        (
            {"/proc/sys/kernel/unprivileged_userns_clone": "0\n"},
            "sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        (
            {
                "/proc/sys/user/max_user_namespaces": "0\n",
                "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
            },
            "sysctl -w user.max_user_namespaces=10000 kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ({"/proc/sys/user/max_user_namespaces": "9000\n"}, ""),
    ],
)
def test_refused_user_namespaces_name_the_switch_that_forbids_them(files: dict[str, str], mend: str) -> None:
    refusal = (1, "", "unshare: unshare failed: Operation not permitted\n")

    seen = ask("users", "user namespaces", FakeSystem(files, {"unshare": refusal}, root=False))

    assert (seen.state, seen.mend) == (State.LACKING, f"sudo {mend}" if mend else "")
    assert bool(seen.note) != bool(mend)


@pytest.mark.parametrize(
    "programs", [{}, {"unshare": ""}, {**TOOLS, "setpriv": (1, "", "setpriv: setgroups failed\n")}]
)
def test_user_namespaces_that_could_not_be_tried_are_unknown(programs: dict[str, Any]) -> None:
    assert ask("users", "user namespaces", FakeSystem(programs=programs)).state == State.UNKNOWN


MAPPERS = {"newuidmap": "", "newgidmap": ""}
RANGES = {"/etc/subuid": "bob:1:2\nalice:100000:65536\n", "/etc/subgid": f"{os.geteuid()}:100000:65536\n"}


def test_subordinate_ids_by_name_or_number_are_ok() -> None:
    assert ask("users", "subordinate ids", FakeSystem(RANGES, MAPPERS, root=False)).state == State.OK


@pytest.mark.parametrize(
    ("files", "programs", "state"),
    [
        ({}, {}, State.OK),
        ({"/etc/subuid": "root:1:2", "/etc/subgid": "root:1:2"}, MAPPERS, State.OK),
        ({}, MAPPERS, State.LIMITED),
    ],
)
def test_root_needs_subordinate_ids_only_where_lxc_insists(
    files: dict[str, str], programs: dict[str, str], state: State
) -> None:
    assert ask("users", "subordinate ids", FakeSystem(files, programs)).state == state


@pytest.mark.parametrize(
    ("files", "programs", "state", "mend"),
    [
        (RANGES, {}, State.LACKING, "sudo apt-get install uidmap"),
        ({}, MAPPERS, State.LACKING, "sudo usermod --add-subuids"),
        ({"/etc/subuid": "alice:1:2"}, MAPPERS, State.LACKING, "sudo usermod --add-subuids"),
        ({"/etc/nsswitch.conf": "passwd: files\nsubid: sss\n"}, MAPPERS, State.UNKNOWN, ""),
    ],
)
def test_a_user_without_subordinate_ids(
    files: dict[str, str], programs: dict[str, str], state: State, mend: str
) -> None:
    seen = ask("users", "subordinate ids", FakeSystem(files, programs, root=False))

    assert seen.state == state
    assert seen.mend.startswith(mend)


LAST = {"/proc/sys/kernel/cap_last_cap": "40\n"}


def test_root_with_all_capabilities_is_ok() -> None:
    files = {**LAST, "/proc/self/status": "CapEff:\t000001ffffffffff\n"}

    assert ask("users", "capabilities", FakeSystem(files)).seen == "root has all"


def test_what_root_lacks_is_named_with_its_price() -> None:
    files = {**LAST, "/proc/self/status": "CapEff:\t000000fffeffffff\n"}

    seen = ask("users", "capabilities", FakeSystem(files))

    assert seen.state == State.LIMITED
    assert seen.seen == "root lacks CAP_SYS_RESOURCE, 1 others"
    assert "raised rlimits" in seen.cost
    assert "--cap-add SYS_RESOURCE" in seen.note


def test_capabilities_that_proc_does_not_tell_are_unknown() -> None:
    assert ask("users", "capabilities", FakeSystem()).state == State.UNKNOWN


def test_a_plain_user_lacks_no_capabilities() -> None:
    assert ask("users", "capabilities", FakeSystem(root=False)).state == State.OK
