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


@pytest.mark.parametrize(
    ("vm", "container", "seen"),
    [
        ("none", "none", "runs on bare metal"),
        ("kvm", "none", "runs in a VM (kvm)"),
        ("kvm", "docker", "runs in a VM (kvm) and a container (docker)"),
    ],
)
def test_nesting_is_what_systemd_detects(vm: str, container: str, seen: str) -> None:
    class Detecting(FakeSystem):
        def run(self, argv: Any, env: Any = None) -> Any:
            self.programs["systemd-detect-virt"] = (1, f"{vm if argv[1] == '--vm' else container}\n", "")
            return super().run(argv, env)

    assert ask("host", "nesting", Detecting(programs={"systemd-detect-virt": ""})).seen == seen


@pytest.mark.parametrize(
    ("files", "seen"),
    [
        ({"/proc/cpuinfo": "flags\t\t: fpu vmx\n"}, "runs on bare metal"),
        ({"/proc/cpuinfo": "flags : hypervisor\n", "/sys/class/dmi/id/sys_vendor": "QEMU\n"}, "runs in a VM (QEMU)"),
        (
            {"/proc/cpuinfo": "flags\t\t: fpu hypervisor\n", "/.dockerenv": ""},
            "runs in a VM (hypervisor) and a container (docker)",
        ),
    ],
)
def test_nesting_without_systemd_is_read_from_files(files: dict[str, str], seen: str) -> None:
    assert ask("host", "nesting", FakeSystem(files)).seen == seen


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
