"""The doctor's looks at limits, probe, runtimes and VMs: what is there, and what is not with price and mend."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes_doctor import FakeSystem, ask

from provisioner.doctor.finding import State
from provisioner.doctor.look import find_looks
from provisioner.doctor.looks import cgroups, emulation
from provisioner.doctor.trial import Hello, NotTried
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.linux.cgroups import Cgroups
from provisioner.linux.kvm import Accelerator
from provisioner.paths import HOME
from provisioner.probe.build import BuiltProbe

HELLO = Hello(0.25, "1.2.3")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME, str(tmp_path))
    return tmp_path


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.start() as made:
        yield made


# limits


@pytest.mark.parametrize(
    ("mode", "state"),
    [("v2", State.OK), ("hybrid", State.LIMITED), ("v1", State.LIMITED), ("none", State.LACKING)],
)
def test_the_hierarchy_has_its_price(mode: str, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "cgroup_mode", lambda: mode)

    assert ask("limits", "cgroup hierarchy", FakeSystem()).state == state


@pytest.mark.parametrize("controller", ["memory", "cpu", "pids"])
def test_a_limit_is_tried_by_a_cgroup_that_the_journal_knows(
    controller: str, run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def make(run_id: str, name: str, settings: Any, before: Any) -> Cgroups:
        before(home / run_id / name)
        made.append(run_id)
        assert len(settings) == 1
        return Cgroups(())

    monkeypatch.setattr(cgroups, "make_cgroups", make)

    assert ask("limits", controller, FakeSystem(run=run)).state == State.OK
    assert made == [f"{run.id}-{controller}"]
    assert f"{run.id}-{controller}/doctor" in (home / "run" / "runs" / f"{run.id}.jsonl").read_text()


@pytest.mark.parametrize(
    ("why", "mode", "init", "mend"),
    [
        ("cannot limit below '/x': it has no cpu controller", "v2", "systemd", cgroups.DELEGATE),
        ("cannot make cgroup '/x': Permission denied", "v2", "systemd", "systemd-run --user --scope"),
        ("cannot make cgroup '/x': Permission denied", "v2", "sh", ""),
        ("cannot make cgroup '/x': Permission denied", "v1", "systemd", ""),
    ],
)
def test_a_limit_that_is_refused_says_how_it_is_delegated(
    why: str, mode: str, init: str, mend: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> Cgroups:
        raise IsolationError(why)

    monkeypatch.setattr(cgroups, "make_cgroups", refuse)
    monkeypatch.setattr(cgroups, "cgroup_mode", lambda: mode)

    seen = ask("limits", "cpu", FakeSystem({"/proc/1/comm": f"{init}\n"}, root=False, run=run))

    assert (seen.state, seen.seen) == (State.LACKING, why)
    assert seen.mend.startswith(mend) if mend else not seen.mend and seen.note


# probe

NO_COMPILER = IsolationError("cannot build the probe: no C compiler", log="cc: x\ncc: cannot find -lc\n")


@pytest.mark.parametrize(("compiler", "seen"), [("prebuilt", "from the wheel"), ("cc", "built by cc")])
def test_the_probe_says_where_it_comes_from(compiler: str, seen: str) -> None:
    system = FakeSystem(probe=BuiltProbe(Path("/p"), "0", compiler))

    assert ask("probe", "probe", system).seen == seen


@pytest.mark.parametrize(
    ("programs", "state", "mend"),
    [
        ({"cc": ""}, State.LACKING, "apt-get install --no-install-recommends musl-tools"),
        ({"apt-get": "", "dpkg-deb": ""}, State.LIMITED, "provisioner build"),
        ({}, State.LACKING, "pip install ziglang"),
    ],
)
def test_without_a_probe_the_mend_is_what_this_machine_can_do(
    programs: dict[str, str], state: State, mend: str
) -> None:
    seen = ask("probe", "probe", FakeSystem(programs=programs, probe=NO_COMPILER))

    assert (seen.state, seen.mend) == (state, mend)


def test_a_compiler_that_makes_nothing_is_quoted() -> None:
    assert ask("probe", "probe", FakeSystem(programs={"cc": ""}, probe=NO_COMPILER)).note == "cc: cannot find -lc"


@pytest.mark.parametrize(
    ("programs", "probe", "state"),
    [
        ({"musl-gcc": ""}, NO_COMPILER, State.OK),
        ({}, BuiltProbe(Path("/p"), "0", "prebuilt"), State.OK),
        ({}, NO_COMPILER, State.LACKING),
    ],
)
def test_a_compiler_is_needed_where_there_is_no_probe(programs: dict[str, str], probe: Any, state: State) -> None:
    assert ask("probe", "C compiler", FakeSystem(programs=programs, probe=probe)).state == state


# runtimes


def test_a_runtime_is_there_when_its_sandbox_says_hello() -> None:
    seen = ask("containers", "runc", FakeSystem(programs={"runc": ""}, runtimes={"runc": HELLO}))

    assert (seen.state, seen.seen) == (State.OK, "1.2.3: a sandbox said hello after 0.2 s")


def test_a_runtime_whose_program_is_missing_is_not_tried() -> None:
    seen = ask("containers", "runc", FakeSystem(root=True))

    assert (seen.state, seen.seen) == (State.LACKING, "runc is not installed")
    assert seen.mend == "apt-get install --no-install-recommends runc"


def test_a_runtime_that_needs_root_is_not_tried_by_a_user() -> None:
    assert ask("containers", "runc", FakeSystem(programs={"runc": ""}, root=False)).seen == "it needs root"


def test_that_a_program_is_installed_is_not_enough() -> None:
    refused = IsolationError("cannot start 'runc': setns: Operation not permitted")

    seen = ask("containers", "runc", FakeSystem(programs={"runc": ""}, runtimes={"runc": refused}))

    assert (seen.state, seen.seen) == (State.LACKING, "setns: Operation not permitted")


def test_what_could_not_be_tried_is_unknown() -> None:
    refused = NotTried("not tried: no guest kernel is in the cache", "provisioner kernel")
    system = FakeSystem(programs={"qemu-system-x86_64": ""}, runtimes={"qemu": refused})

    seen = ask("virtual machines", "qemu", system)

    assert (seen.state, seen.mend) == (State.UNKNOWN, "provisioner kernel")


@pytest.mark.parametrize(
    ("init", "mend"),
    [("systemd", "systemctl start docker"), ("sh", "provisioner daemon docker -- pytest --isolation=container")],
)
def test_the_mend_of_a_daemon_is_one_that_works_here(init: str, mend: str) -> None:
    refused = IsolationError(
        "cannot start 'docker': its daemon is not running",
        "systemctl start docker, or for one command: provisioner daemon docker -- COMMAND",
    )
    system = FakeSystem({"/proc/1/comm": init}, {"docker": ""}, {"docker": refused})

    assert ask("containers", "docker", system).mend == mend


HYBRID = IsolationError(
    "cannot start 'podman': its OCI runtime crun refuses a host that has cgroup v1 and v2 mounted side by side",
    "use it",
)


def test_an_option_that_stands_in_is_tried_and_has_its_price() -> None:
    system = FakeSystem(programs={"podman": ""}, runtimes={"podman": HYBRID, "podman+runc": HELLO})

    seen = ask("containers", "podman", system)

    assert (seen.state, seen.gives) == (State.LIMITED, ("podman+runc", "container"))
    assert seen.mend == "pytest --isolation=container --isolation-runtime=podman+runc"


def test_an_option_that_fails_too_is_told_with_its_own_reason() -> None:
    refused = IsolationError("cannot start 'podman': newuidmap: write failed", "map ids")
    system = FakeSystem(programs={"podman": ""}, runtimes={"podman": HYBRID, "podman+runc": refused})

    seen = ask("containers", "podman", system)

    assert (seen.state, seen.mend) == (State.LACKING, "map ids")
    assert seen.seen.endswith("; podman+runc: newuidmap: write failed")


def test_a_target_that_was_asked_for_by_name_is_tried_itself() -> None:
    system = FakeSystem(programs={"podman": ""}, runtimes={"podman+runc": HELLO})

    assert ask("containers", "podman+runc", system, also=["podman+runc", "vm"]).state == State.OK


def test_runtimes_that_need_no_program_are_not_looked_at() -> None:
    assert not {"self", "machine"} & {one.name for one in find_looks()}


# virtual machines


@pytest.mark.parametrize(("name", "state"), [("kvm", State.OK), ("tcg", State.LIMITED)])
def test_kvm_is_what_the_timed_loop_says(name: Any, state: State, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "kvm").touch()
    monkeypatch.setattr(emulation, "accelerator", lambda: Accelerator(name, "a loop took long"))
    monkeypatch.setattr(emulation, "DEVICE", home / "kvm")

    seen = ask("virtual machines", "KVM", FakeSystem())

    assert (seen.state, seen.seen, seen.mend) == (state, "a loop took long", "")


@pytest.mark.parametrize(
    ("flags", "mend"),
    [("fpu vmx", "sudo modprobe kvm_intel"), ("fpu svm", "sudo modprobe kvm_amd"), ("fpu", "")],
)
def test_a_missing_kvm_is_mended_by_what_the_processor_has(
    flags: str, mend: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulation, "accelerator", lambda: Accelerator("tcg", "it is missing"))
    monkeypatch.setattr(emulation, "DEVICE", home / "kvm")

    seen = ask("virtual machines", "KVM", FakeSystem({"/proc/cpuinfo": f"flags\t: {flags}\n"}, root=False))

    assert (seen.state, seen.mend) == (State.LIMITED, mend)
    assert "emulated" in seen.cost


def test_a_kvm_that_may_not_be_opened_is_mended_by_its_group(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "kvm").touch()
    monkeypatch.setattr(emulation, "accelerator", lambda: Accelerator("tcg", "permission denied"))
    monkeypatch.setattr(emulation, "DEVICE", home / "kvm")
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    assert ask("virtual machines", "KVM", FakeSystem(root=False)).mend == "sudo usermod -aG kvm alice"


@pytest.mark.parametrize(
    ("programs", "state"),
    [
        ({"qemu-system-x86_64": "QEMU emulator version 7.2.22 (Debian)\n"}, State.OK),
        ({"qemu-system-x86_64": (127, "", "cannot open shared object file\n")}, State.LACKING),
        ({}, State.LACKING),
    ],
)
def test_the_emulator_must_start(programs: dict[str, Any], state: State) -> None:
    assert ask("virtual machines", "emulator", FakeSystem(programs=programs)).state == state


def test_a_guest_kernel_is_looked_for_and_not_fetched(home: Path) -> None:
    assert ask("virtual machines", "guest kernel", FakeSystem()).mend == "provisioner kernel"
    folder = home / "cache" / "kernel-6.1.0-56-cloud-amd64"
    folder.mkdir(parents=True)
    (folder / "vmlinuz").touch()

    assert ask("virtual machines", "guest kernel", FakeSystem()).seen == folder.name
