"""A change of this machine is seen, with its lane; what is as it was is not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tiers.host import HostState, Watched, blame, changes, differing, is_beside, line, read_mounts

SYS = "23 27 0:22 / /sys rw,relatime shared:7 - sysfs sysfs rw\n"
# looks at the mounts of its own namespace before and after the commands
LOOK = """
import subprocess, sys
sys.path.insert(0, {tests!r})
from tiers.host import HostState, changes, read_mounts
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", "/tmp"], check=True)
before = HostState(dict(read_mounts()))
subprocess.run(["sh", "-c", sys.argv[1]], check=True)
print("\\n".join(changes(before, HostState(dict(read_mounts())))))
"""


def mounts(text: str) -> HostState:
    return HostState(dict(read_mounts(text)))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("rw,relatime", "ro,relatime", "mount /sys was rw, is ro"),
        ("sysfs rw", "sysfs ro", "mount /sys was super:rw, is super:ro"),
        ("shared:7 ", "", "mount /sys was shared, is private"),
        ("shared:7", "master:7", "mount /sys was shared, is master"),
        ("rw,relatime", "rw,nosuid,relatime", "mount /sys was "),
        (" / /sys", " /kernel /sys", "mount /sys was root:/, is root:/kernel"),
    ],
)
def test_a_changed_mount_is_told_with_what_changed(old: str, new: str, told: str) -> None:
    (found,) = changes(mounts(SYS), mounts(SYS.replace(old, new, 1)))

    assert found.startswith(told)


def test_the_number_of_a_peer_group_is_no_change() -> None:
    assert changes(mounts(SYS), mounts(SYS.replace("shared:7", "shared:9"))) == []


def test_a_second_mount_on_the_first_is_a_change() -> None:
    assert changes(mounts(SYS), mounts(SYS + SYS.replace("rw", "ro")))[0].startswith("mount /sys (2) was absent, is ro")


def test_the_folder_of_named_network_namespaces_may_be_bound_once() -> None:
    bound = SYS.replace("/sys", "/run/netns")

    assert changes(mounts(""), mounts(bound)) == []
    assert changes(mounts(bound), mounts(bound.replace("rw,", "ro,"))) == ["mount /run/netns was rw, is ro"]


def test_of_two_values_without_common_words_all_is_told() -> None:
    assert line("sysctl a", "1", "0") == "sysctl a was 1, is 0"
    assert line("netns x", "absent", "present") == "netns x was absent, is present"


def planted(commands: str) -> str:
    """Return what a look sees of commands in a mount namespace of their own."""
    argv = ["unshare", "--user", "--map-root-user", "--mount", "--propagation", "private"]
    look = LOOK.format(tests=str(Path(__file__).resolve().parents[1]))
    done = subprocess.run([*argv, sys.executable, "-c", look, commands], capture_output=True, text=True, timeout=60)
    if "unshare failed" in done.stderr:
        pytest.skip("this user may not make user namespaces here: run as root")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("commands", "told"),
    [
        ("mount -t tmpfs -o size=4k none /mnt", "mount /mnt was absent, is rw"),
        ("mount --make-shared /", "mount / was private, is shared"),
        ("mount -o remount,bind,ro /tmp", "mount /tmp was rw, is ro"),
        ("true", ""),
    ],
)
def test_a_planted_change_of_real_mounts_is_seen(commands: str, told: str) -> None:
    seen = planted(commands)

    assert re.sub(r" \(\d+\)", "", seen).startswith(told)  # of two mounts on /tmp, the second is remounted
    assert bool(seen) == bool(told)


def test_two_looks_at_this_machine_see_the_same_settings() -> None:
    first, second = HostState.now(), HostState.now()
    moved = [what for what in differing(first, second) if "absent" not in (first.get(what), second.get(what))]

    assert len(first.things) > 100
    assert moved == []


def test_the_lane_that_saw_a_change_come_is_blamed() -> None:
    rw, ro = HostState({"mount /sys": "rw"}), HostState({"mount /sys": "ro"})
    lanes = [Watched("first", rw, rw), Watched("second", rw, ro), Watched("third", ro, ro)]

    assert blame(rw, ro, lanes) == ["lane second changed the host: mount /sys was rw, is ro"]


def test_of_lanes_side_by_side_each_that_saw_it_come_is_named() -> None:
    rw, ro = HostState({"mount /sys": "rw"}), HostState({"mount /sys": "ro"})
    lanes = [Watched("one", rw, ro), Watched("other", rw, ro)]

    assert blame(rw, ro, lanes) == ["lane one or other changed the host: mount /sys was rw, is ro"]


def test_what_a_lane_put_back_is_no_change() -> None:
    rw, ro = HostState({"mount /sys": "rw"}), HostState({"mount /sys": "ro"})

    assert blame(rw, rw, [Watched("one", rw, ro), Watched("two", ro, rw)]) == []


@pytest.mark.parametrize(
    "what", ["process 7 /probe serve", "SysV shm 9 1", "key user isolation", "cgroup /sys/fs/cgroup/pids/isolation-9f"]
)
def test_what_ends_meanwhile_is_no_change_and_what_comes_is(what: str) -> None:
    there, gone = HostState({what: "present"}), HostState({})

    assert changes(there, gone) == []
    assert changes(gone, there) == [f"{what} was absent, is present"]


@pytest.mark.parametrize(
    ("ancestors", "beside"),
    [(["40", "30", "20", "1"], False), (["1"], False), (["60", "20", "1"], True), (["50", "1"], False)],
    ids=["a lane's", "an orphan", "of the command that started both", "of somebody else"],
)
def test_a_process_that_this_program_did_not_start_and_its_parent_did_is_beside(
    ancestors: list[str], beside: bool
) -> None:
    assert is_beside(ancestors, above=["20", "1"], me="30") is beside
