"""How a machine gets ready, what is frozen and forgotten on the way, and who stops it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes_machines import FakeLab

from provisioner.deadlines import set_scale
from provisioner.errors import IsolationError
from provisioner.journal.run import Run, parse_journal
from provisioner.machines.daemonize import end_detached, find_running, start_detached
from provisioner.machines.lab import Lab, load_lab
from provisioner.machines.prepare import boot_machine, ready_machine, stopped_at_the_end
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
    """Return the commands that would undo what stands in all journals."""
    texts = [file.read_text() for file in (run_dir() / "runs").glob("*.jsonl")]
    return [record.values for text in texts for record in parse_journal(text)[1]]


def test_one_that_is_new_is_booted_converged_and_frozen(fake: FakeLab, run: Run) -> None:
    ready = ready_machine(fake.lab, "web", run)

    assert (ready.how, ready.snapshot) == ("booted", fake.tag("web"))
    assert fake["web"].did == ["up", "ssh", "converge", "close", f"freeze {fake.tag('web')}"]
    assert fake.built == ["debian12"]


def test_one_that_was_frozen_is_restored_and_not_looked_at(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake["web"].snapshots = "halted", [fake.tag("web")]

    assert ready_machine(fake.lab, "web", run).how == "restored"
    assert fake["web"].did == [f"restore {fake.tag('web')}", "ssh"]


def test_one_that_runs_as_wanted_is_left_as_it_is(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake["web"].snapshots = "running", [fake.tag("web")]

    assert ready_machine(fake.lab, "web", run).how == "ran"
    assert fake["web"].did == ["up", "ssh", "converge"]
    assert fake["web"].pid == 100


def test_one_that_runs_and_differs_is_converged_while_it_runs(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake["web"].drift = "running", 2

    assert ready_machine(fake.lab, "web", run).how == "converged"
    assert fake["web"].snapshots == [fake.tag("web")]


def test_one_that_had_to_be_started_again_is_booted_and_frozen_anew(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake["web"].snapshots, fake["web"].reboots = "running", [fake.tag("web")], True

    assert ready_machine(fake.lab, "web", run).how == "booted"
    assert f"freeze {fake.tag('web')}" in fake["web"].did


def test_a_snapshot_that_cannot_be_restored_is_as_good_as_none(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake["web"].snapshots = "halted", [fake.tag("web")]
    fake["web"].faults["restore"] = IsolationError("cannot restore machine 'web': its disk is damaged")

    assert ready_machine(fake.lab, "web", run).how == "booted"
    assert fake["web"].did[-1] == f"freeze {fake.tag('web')}"


def test_of_the_converged_snapshots_only_the_newest_stays(fake: FakeLab, run: Run) -> None:
    fake["web"].snapshots = ["converged-0123456789ab", "mine"]
    ready_machine(fake.lab, "web", run)

    assert fake["web"].snapshots == ["mine", fake.tag("web")]


def test_no_connection_of_ours_is_open_in_a_snapshot(fake: FakeLab, run: Run) -> None:
    ready_machine(fake.lab, "web", run)

    did = fake["web"].did
    assert did.index("close") < did.index(f"freeze {fake.tag('web')}")


@pytest.mark.parametrize("fault", [IsolationError("cannot converge"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_what_fails_while_it_converges_is_stopped_again(fake: FakeLab, run: Run, fault: BaseException) -> None:
    fake["web"].faults["converge"] = fault

    with pytest.raises(type(fault)):
        ready_machine(fake.lab, "web", run, for_lab=True)
    assert fake["web"].did[-2:] == ["close", "down"]
    assert not is_needed(fake.lab, "web")
    assert journalled() == []


def test_one_that_the_lab_keeps_goes_on_when_converging_fails(fake: FakeLab, run: Run) -> None:
    ready_machine(fake.lab, "web", run, for_lab=True)
    fake["web"].faults["converge"] = IsolationError("cannot converge")

    with pytest.raises(IsolationError):
        ready_machine(fake.lab, "web", run)
    assert fake["web"].status == "running"


def test_one_that_has_died_is_not_kept_any_more(fake: FakeLab, run: Run) -> None:
    keep(fake.lab, "web")
    fake["web"].faults["converge"] = IsolationError("cannot converge")

    with pytest.raises(IsolationError):
        ready_machine(fake.lab, "web", run)
    assert fake["web"].status == "halted"


def test_how_it_is_stopped_is_written_down_before_it_is_started(fake: FakeLab, run: Run) -> None:
    seen: list[tuple[str, ...]] = []
    fake["web"].hooks["up"] = lambda: seen.extend(journalled())
    fake["web"].hooks["converge"] = lambda: seen.extend(journalled())
    ready_machine(fake.lab, "web", run, for_lab=True)

    assert seen == [("stop-machine", str(fake.file), "web")] * 2
    assert journalled() == []  # it is the lab's now


def test_booting_alone_neither_restores_nor_converges(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake["web"].snapshots = "halted", [fake.tag("web")]
    machine, how = boot_machine(fake.lab, "web", run)

    assert (machine.name, how) == ("web", "booted")
    assert fake["web"].did == ["up"]
    assert is_needed(fake.lab, "web")


def test_a_session_stops_what_it_has_started(fake: FakeLab, run: Run) -> None:
    with stopped_at_the_end(fake.lab, "web", run):
        before = journalled()
        ready_machine(fake.lab, "web", run)
        assert fake["web"].status == "running"

    assert [values[0] for values in before] == ["stop-machine"]
    assert fake["web"].status == "halted"
    assert journalled() == []


def test_a_session_leaves_running_what_the_lab_keeps(fake: FakeLab, run: Run) -> None:
    with stopped_at_the_end(fake.lab, "web", run):
        ready_machine(fake.lab, "web", run)
        with Run.start() as other:
            ready_machine(fake.lab, "web", other, for_lab=True)  # `provisioner up` in the meantime

    assert fake["web"].status == "running"


def test_the_last_session_that_uses_it_stops_it(fake: FakeLab, run: Run) -> None:
    with stopped_at_the_end(fake.lab, "web", run):
        with Run.start() as other, stopped_at_the_end(fake.lab, "web", other):
            ready_machine(fake.lab, "web", other)
        assert fake["web"].status == "running"

    assert fake["web"].status == "halted"


def test_what_another_process_brings_up_is_that_ones_to_stop(fake: FakeLab, run: Run) -> None:
    with exclusive(fake.lab, "web", "get machine 'web' ready"):
        (fake.lab.directory / "web.ready.holder").write_text("1 get machine 'web' ready")
        with stopped_at_the_end(fake.lab, "web", run):
            fake["web"].status = "running"

    assert fake["web"].did == []


def test_what_a_thread_of_ours_still_brings_up_is_stopped(fake: FakeLab, run: Run) -> None:
    with exclusive(fake.lab, "web", "get machine 'web' ready"), stopped_at_the_end(fake.lab, "web", run):
        fake["web"].status = "running"

    assert fake["web"].did == ["down"]


def test_being_told_to_stop_it_asks_nobody(fake: FakeLab, run: Run) -> None:
    ready_machine(fake.lab, "web", run, for_lab=True)
    with in_use(fake.lab, "web"):
        assert take_down(fake.lab, "web", run)

    assert fake["web"].status == "halted"
    assert not take_down(fake.lab, "web", run)
    assert not is_needed(fake.lab, "web")


def test_a_machine_whose_box_is_gone_is_stopped_all_the_same(fake: FakeLab, run: Run) -> None:
    fake["web"].status, fake.is_built = "running", False

    assert take_down(fake.lab, "web", run)


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab with a machine of the provider qemu, whose hypervisor is sleep(1) and hears nothing."""
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
def test_the_journal_stops_it_whatever_has_become_of_lab_yaml(sleeper: Lab, lab_file: str) -> None:
    texts = {"there": LAB, "garbage": "machines: [", "without it": "machines: {other: {}}"}
    sleeper.path.unlink() if lab_file == "gone" else sleeper.path.write_text(texts[lab_file])

    stop_machine(sleeper.path, "web")
    assert find_running(sleeper.directory / "web" / PID_FILE) is None


def test_the_journal_stops_nothing_that_the_lab_keeps(sleeper: Lab) -> None:
    keep(sleeper, "web")

    stop_machine(sleeper.path, "web")
    assert find_running(sleeper.directory / "web" / PID_FILE) is not None


def test_a_machine_that_nobody_knows_is_stopped_already(fake: FakeLab) -> None:
    stop_machine(fake.file, "nobody")
