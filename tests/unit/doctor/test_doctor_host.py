"""The doctor's looks at this machine, its folders and its user: what is there, and what is not with price and mend."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes_doctor import FakeSystem, ask

from provisioner.doctor.finding import State
from provisioner.facts.namespaces import INITIAL
from provisioner.journal.run import Run
from provisioner.linux.processes import boot_id
from provisioner.paths import HOME


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME, str(tmp_path))
    return tmp_path


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.start() as made:
        yield made


# host


NAMES = ("pid", "user", "ipc", "uts")


def links(*own: str) -> dict[str, str]:
    """The namespaces of this process: those named are its own, all others the kernel's initial ones."""
    return {f"/proc/self/ns/{kind}": f"{kind}:[{INITIAL[kind] + 700 * (kind in own)}]" for kind in NAMES}


HYPERVISOR = {"/proc/cpuinfo": "flags\t\t: fpu hypervisor\n"}
METAL = {"/proc/cpuinfo": "flags\t\t: fpu vmx\n"}
KERNEL = {"/proc/2/comm": "kthreadd\n"}


@pytest.mark.parametrize(
    ("files", "detected", "seen"),
    [
        ({**METAL, **links()}, None, "runs on bare metal"),
        ({**HYPERVISOR, **links(), "/sys/class/dmi/id/sys_vendor": "QEMU\n"}, None, "runs in a VM (QEMU)"),
        # a marker file in a VM: an image that was made from a container's, or systemd's own
        ({**HYPERVISOR, **links(), "/.dockerenv": ""}, None, "runs in a VM (hypervisor)"),
        ({**HYPERVISOR, **links(), "/run/.containerenv": ""}, None, "runs in a VM (hypervisor)"),
        (links(), ("kvm", "docker"), "runs in a VM (kvm)"),
        (links(), ("kvm", "container-other"), "runs in a VM (kvm)"),  # /run/host/container-manager
        (links(), ("none", "none"), "runs on bare metal"),
        ({**HYPERVISOR, **KERNEL, "/.dockerenv": ""}, None, "runs in a VM (hypervisor)"),  # /proc/self/ns is hidden
        # namespaces decide without a marker
        ({**METAL, **links("pid", "uts", "ipc")}, None, "runs in a container"),
        ({**METAL, **links("pid"), "/.dockerenv": ""}, None, "runs in a container (docker)"),
        (links(*NAMES), ("kvm", "podman"), "runs in a VM (kvm) and a container (podman)"),
        (links(*NAMES), ("none", "none"), "runs in a container"),
        (links("user", "uts"), ("none", "podman"), "runs in a container (podman) that shares the host's processes"),
        ({**METAL, "/.dockerenv": ""}, None, "runs in a container (docker)"),  # process 2 is no kernel thread
    ],
)
def test_namespaces_decide_what_it_runs_in_and_markers_only_name(
    files: dict[str, str], detected: tuple[str, str] | None, seen: str
) -> None:
    class Detecting(FakeSystem):
        def run(self, argv: Any, env: Any = None) -> Any:
            assert detected is not None
            self.programs["systemd-detect-virt"] = (1, f"{detected[argv[1] == '--container']}\n", "")
            return super().run(argv, env)

    programs = {} if detected is None else {"systemd-detect-virt": ""}

    assert ask("host", "nesting", Detecting(files, programs=programs)).seen == seen


def test_nesting_that_nothing_tells_is_unknown() -> None:
    assert ask("host", "nesting", FakeSystem()).state == State.UNKNOWN


@pytest.mark.parametrize(
    ("processors", "files", "state"),
    [
        (4, {}, State.OK),
        (1, {}, State.LIMITED),
        (4, {"/sys/fs/cgroup/cpu.max": "max 100000\n"}, State.OK),
        (4, {"/sys/fs/cgroup/cpu.max": "150000 100000\n"}, State.LIMITED),
        (
            4,
            {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            State.OK,
        ),
        (
            4,
            {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            State.LIMITED,
        ),
    ],
)
def test_processors_count_within_the_quota(
    processors: int, files: dict[str, str], state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(processors)))

    assert ask("host", "processors", FakeSystem(files)).state == state


@pytest.mark.parametrize(
    ("available", "limit", "state"),
    [
        (8000, "max", State.OK),
        (8000, str(1 << 63), State.OK),
        (1200, "max", State.LIMITED),
        (8000, str(1200 << 20), State.LIMITED),
        (300, "max", State.LACKING),
    ],
)
def test_memory_counts_within_the_limit(available: int, limit: str, state: State) -> None:
    files = {"/proc/meminfo": f"MemAvailable:  {available << 10} kB\n", "/sys/fs/cgroup/memory.max": f"{limit}\n"}

    assert ask("host", "memory", FakeSystem(files)).state == state


def test_memory_that_the_kernel_does_not_tell_is_unknown() -> None:
    assert ask("host", "memory", FakeSystem({"/proc/meminfo": "MemTotal: 1 kB\n"})).state == State.UNKNOWN


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({"/sys/kernel/security/lsm": "lockdown,capability,yama,apparmor"}, State.OK),
        ({"/sys/module/apparmor/parameters/enabled": "Y\n"}, State.OK),
        ({"/sys/fs/selinux/enforce": "0"}, State.OK),
        ({"/sys/kernel/security/lsm": "capability,yama"}, State.LIMITED),
        ({"/sys/kernel/security/lsm": ""}, State.LIMITED),
        ({"/sys/module/apparmor/parameters/enabled": "N\n"}, State.UNKNOWN),
        ({}, State.UNKNOWN),
    ],
)
def test_a_security_module_must_confine(files: dict[str, str], state: State) -> None:
    assert ask("host", "security module", FakeSystem(files)).state == state


# folders


def test_folders_with_room_are_ok(home: Path) -> None:
    for name in ("cache", "state", "run"):
        assert ask("host", f"{name} folder", FakeSystem()).seen.startswith(f"{home / name}: ")


@pytest.mark.parametrize(
    ("name", "free", "state"),
    [
        ("cache folder", 3 << 30, State.LIMITED),
        ("cache folder", 1 << 20, State.LIMITED),
        ("state folder", 1 << 30, State.LIMITED),
        ("run folder", 1 << 20, State.LIMITED),
        ("run folder", 1 << 30, State.OK),
    ],
)
def test_a_folder_without_room_says_for_what(
    name: str, free: int, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))

    seen = ask("host", name, FakeSystem())

    assert seen.state == state
    assert bool(seen.cost) == bool(seen.mend) == (state != State.OK)


def test_once_a_box_is_built_less_room_will_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "cache" / "boxes" / "debian12-0").mkdir(parents=True)
    (home / "cache" / "boxes" / "debian12-0" / "box.json").touch()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3 << 30))

    assert ask("host", "cache folder", FakeSystem()).state == State.OK


def test_a_cache_from_which_nothing_runs_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    noexec = SimpleNamespace(f_flag=os.ST_NOEXEC, f_bavail=1 << 30, f_frsize=4096, f_blocks=1 << 30, f_bfree=1 << 30)
    monkeypatch.setattr(os, "statvfs", lambda path: noexec)

    assert "noexec" in ask("host", "cache folder", FakeSystem()).seen


def test_a_folder_that_cannot_be_is_lacking(home: Path) -> None:
    (home / "state").write_text("a file where the folder should be")

    seen = ask("host", "state folder", FakeSystem())

    assert (seen.state, seen.mend) == (State.LACKING, f"export {HOME}=/a/folder/with/room")


def test_leftovers_of_the_dead_are_counted_and_the_living_left_out(home: Path, run: Run) -> None:
    living = f'{{"owner": {os.getpid()}, "start": 1, "boot": "{boot_id()}"}}\n'  # the pid's former owner: dead
    record = f'{{"made": 1, "kind": "path", "values": ["{home / "run" / "x"}"]}}\n'
    folder = home / "run" / "runs"
    (folder / "dead.jsonl").write_text(living + record)
    (folder / "older.jsonl").write_text(
        '{"owner": 1, "start": 1, "boot": "another"}\n'
        + record
        + record.replace('"path"', '"mount"').replace("1", "2", 1)
    )
    run.made("path", home / "run" / "thing")

    seen = ask("host", "leftovers", FakeSystem())

    assert (seen.state, seen.seen, seen.mend) == (
        State.LIMITED,
        "2 things of 2 dead runs",  # a mount does not outlive its boot
        "provisioner prune",
    )


def test_no_leftovers_are_ok(run: Run) -> None:
    assert ask("host", "leftovers", FakeSystem()).state == State.OK


def test_what_cannot_be_read_is_no_fault(home: Path) -> None:
    (home / "run" / "runs").mkdir(parents=True)
    (home / "run" / "runs" / "gone.jsonl").symlink_to(home / "nowhere")

    assert ask("host", "leftovers", FakeSystem()).state == State.OK
