"""How a machine is prepared, which snapshots are saved and deleted, and who stops the machine afterwards."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes_machines import FakeLab

from provisioner.deadlines import set_scale
from provisioner.errors import IsolationError
from provisioner.journal.read import read_journal
from provisioner.journal.run import Run
from provisioner.machines.daemonize import end_detached, find_running, start_detached
from provisioner.machines.lab import Lab, load_lab
from provisioner.machines.prepare import boot_machine, prepare_machine, stop_after_use
from provisioner.machines.qemu.machine import PID_FILE
from provisioner.machines.stop import stop_machine
from provisioner.machines.usage import exclusive, in_use, is_needed, keep, take_down
from provisioner.paths import run_dir

LAB = "machines:\n  web: {provider: qemu, roles: [runc]}\n"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeLab:
    return FakeLab(tmp_path, monkeypatch, LAB)


@pytest.fixture
def run(fake: FakeLab) -> Iterator[Run]:
    with Run.start() as run:
        yield run


def journalled() -> list[tuple[str, ...]]:
    """Return the undo commands of all journals."""
    streams = [io.BytesIO(file.read_bytes()) for file in (run_dir() / "runs").glob("*.jsonl")]
    return [entry.values for stream in streams for entry in read_journal(stream).entries]


def test_a_new_machine_is_booted_and_converged_and_its_snapshot_saved(fake: FakeLab, run: Run) -> None:
    ready = prepare_machine(fake.lab, "web", run)

    assert (ready.how, ready.snapshot) == ("booted", fake.tag("web"))
    assert fake["web"].did == ["up", "ssh", "converge", "close", f"snapshot {fake.tag('web')}"]
    assert fake.built == ["debian12"]


def test_a_halted_machine_is_restored_and_not_converged(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake["web"].snapshots = "halted", [fake.tag("web")]

    assert prepare_machine(fake.lab, "web", run).how == "restored"
    assert fake["web"].did == [f"restore {fake.tag('web')}", "ssh"]


def test_a_running_converged_machine_is_not_changed(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake["web"].snapshots = "running", [fake.tag("web")]

    assert prepare_machine(fake.lab, "web", run).how == "ran"
    assert fake["web"].did == ["up", "ssh", "converge"]
    assert fake["web"].pid == 100


def test_a_running_machine_that_differs_is_converged(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake["web"].drift = "running", 2

    assert prepare_machine(fake.lab, "web", run).how == "converged"
    assert fake["web"].snapshots == [fake.tag("web")]


def test_a_restarted_machine_gets_a_new_snapshot(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake["web"].snapshots, fake["web"].reboots = "running", [fake.tag("web")], True

    assert prepare_machine(fake.lab, "web", run).how == "booted"
    assert f"snapshot {fake.tag('web')}" in fake["web"].did


def test_after_a_failed_restore_the_machine_is_booted(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake["web"].snapshots = "halted", [fake.tag("web")]
    fake["web"].faults["restore"] = IsolationError("cannot restore machine 'web': its disk is damaged")

    assert prepare_machine(fake.lab, "web", run).how == "booted"
    assert fake["web"].did[-1] == f"snapshot {fake.tag('web')}"


def test_only_the_newest_converged_snapshot_is_kept(fake: FakeLab, run: Run) -> None:
    fake["web"].snapshots = ["converged-0123456789ab", "mine"]
    prepare_machine(fake.lab, "web", run)

    assert fake["web"].snapshots == ["mine", fake.tag("web")]


def test_the_connection_is_closed_before_a_snapshot(fake: FakeLab, run: Run) -> None:
    prepare_machine(fake.lab, "web", run)

    did = fake["web"].did
    assert did.index("close") < did.index(f"snapshot {fake.tag('web')}")


@pytest.mark.parametrize("fault", [IsolationError("cannot converge"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_machine_that_fails_to_converge_is_stopped(fake: FakeLab, run: Run, fault: BaseException) -> None:
    fake["web"].faults["converge"] = fault

    with pytest.raises(type(fault)):
        prepare_machine(fake.lab, "web", run, for_lab=True)
    assert fake["web"].did[-2:] == ["close", "down"]
    assert not is_needed(fake.lab, "web")
    assert journalled() == []


def test_a_kept_machine_is_not_stopped_when_converging_fails(fake: FakeLab, run: Run) -> None:
    prepare_machine(fake.lab, "web", run, for_lab=True)
    fake["web"].faults["converge"] = IsolationError("cannot converge")

    with pytest.raises(IsolationError):
        prepare_machine(fake.lab, "web", run)
    assert fake["web"].status == "running"


def test_a_machine_that_has_died_is_not_kept_any_more(fake: FakeLab, run: Run) -> None:
    keep(fake.lab, "web")
    fake["web"].faults["converge"] = IsolationError("cannot converge")

    with pytest.raises(IsolationError):
        prepare_machine(fake.lab, "web", run)
    assert fake["web"].status == "halted"


def test_the_journal_records_the_stop_before_the_start(fake: FakeLab, run: Run) -> None:
    seen: list[tuple[str, ...]] = []
    fake["web"].hooks["up"] = lambda: seen.extend(journalled())
    fake["web"].hooks["converge"] = lambda: seen.extend(journalled())
    prepare_machine(fake.lab, "web", run, for_lab=True)

    assert seen == [("stop-machine", str(fake.file), "web")] * 2
    assert journalled() == []  # the lab keeps the machine


def test_boot_machine_neither_restores_nor_converges(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake["web"].snapshots = "halted", [fake.tag("web")]
    machine, how = boot_machine(fake.lab, "web", run)

    assert (machine.name, how) == ("web", "booted")
    assert fake["web"].did == ["up"]
    assert is_needed(fake.lab, "web")


def test_a_session_stops_the_machine_after_use(fake: FakeLab, run: Run) -> None:
    with stop_after_use(fake.lab, "web", run):
        before = journalled()
        prepare_machine(fake.lab, "web", run)
        assert fake["web"].status == "running"

    assert [values[0] for values in before] == ["stop-machine"]
    assert fake["web"].status == "halted"
    assert journalled() == []


def test_a_session_does_not_stop_a_kept_machine(fake: FakeLab, run: Run) -> None:
    with stop_after_use(fake.lab, "web", run):
        prepare_machine(fake.lab, "web", run)
        with Run.start() as other:
            prepare_machine(fake.lab, "web", other, for_lab=True)  # `provisioner up` in the meantime

    assert fake["web"].status == "running"


def test_the_last_of_two_sessions_stops_the_machine(fake: FakeLab, run: Run) -> None:
    with stop_after_use(fake.lab, "web", run):
        with Run.start() as other, stop_after_use(fake.lab, "web", other):
            prepare_machine(fake.lab, "web", other)
        assert fake["web"].status == "running"

    assert fake["web"].status == "halted"


def test_a_machine_that_another_process_starts_is_not_stopped(fake: FakeLab, run: Run) -> None:
    with exclusive(fake.lab, "web", "prepare machine 'web'"):
        (fake.lab.directory / "web.ready.holder").write_text("1 prepare machine 'web'")
        with stop_after_use(fake.lab, "web", run):
            fake["web"].status = "running"

    assert fake["web"].did == []


def test_a_machine_that_a_thread_of_this_process_starts_is_stopped(fake: FakeLab, run: Run) -> None:
    with exclusive(fake.lab, "web", "prepare machine 'web'"), stop_after_use(fake.lab, "web", run):
        fake["web"].status = "running"

    assert fake["web"].did == ["down"]


def test_take_down_stops_a_machine_in_use(fake: FakeLab, run: Run) -> None:
    prepare_machine(fake.lab, "web", run, for_lab=True)
    with in_use(fake.lab, "web"):
        assert take_down(fake.lab, "web", run)

    assert fake["web"].status == "halted"
    assert not take_down(fake.lab, "web", run)
    assert not is_needed(fake.lab, "web")


def test_a_machine_without_its_box_is_stopped(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake.is_built = "running", False

    assert take_down(fake.lab, "web", run)


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab with a machine of the provider qemu; its QEMU is sleep(1), which has no QMP socket."""
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path / "home"))
    file = tmp_path / "lab.yaml"
    file.write_text(LAB)
    lab = load_lab(file)
    folder = lab.directory / "web"
    (folder / "vmm").mkdir(parents=True)
    (folder / "vmm/disk.qcow2").touch()
    with Run.start() as run:
        run.gone(start_detached(["sleep", "600"], folder / "log", folder / PID_FILE, run))
    set_scale(0.001)
    monkeypatch.setattr("provisioner.machines.qemu.machine.PRESS_AGAIN", 0.05)
    try:
        yield lab
    finally:
        set_scale(1.0)
        end_detached(folder / PID_FILE)


@pytest.mark.parametrize("lab_file", ["there", "gone", "garbage", "without it"])
def test_the_journal_stops_a_machine_with_and_without_lab_yaml(sleeper: Lab, lab_file: str) -> None:
    texts = {"there": LAB, "garbage": "machines: [", "without it": "machines: {other: {}}"}
    sleeper.path.unlink() if lab_file == "gone" else sleeper.path.write_text(texts[lab_file])

    stop_machine(sleeper.path, "web")
    assert find_running(sleeper.directory / "web" / PID_FILE) is None


def test_the_journal_does_not_stop_a_kept_machine(sleeper: Lab) -> None:
    keep(sleeper, "web")

    stop_machine(sleeper.path, "web")
    assert find_running(sleeper.directory / "web" / PID_FILE) is not None


def test_stopping_an_unknown_machine_does_nothing(fake: FakeLab) -> None:
    stop_machine(fake.file, "nobody")

    assert fake["web"].did == []
