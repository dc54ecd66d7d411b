"""The commands up, status and down on fake machines: what they print and how they end."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from fakes_cli import Command, set_running
from fakes_machines import FakeLab, FakeState

from provisioner.cli import options as lab_options
from provisioner.errors import IsolationError
from provisioner.machines.usage import is_needed


def test_up_starts_all_machines_and_prints_the_next_command(fake: FakeLab, provisioner: Command) -> None:
    fake["db"].status, fake["db"].snapshots = "halted", [fake.tag("db")]
    result = provisioner("up")

    assert result.status == 0
    assert result.lines[1].split()[:3] == ["web", "running", "booted"]
    assert result.lines[2].split()[:3] == ["db", "running", "restored"]
    assert result.lines[1].endswith("127.0.0.1:2222")
    assert result.lines[3] == "next: pytest --isolation=vm --isolation-machine=web,db, or provisioner ssh web"
    assert all(is_needed(fake.lab, name) for name in ("web", "db"))


def test_the_next_command_names_the_lab_file_of_the_option(fake: FakeLab, provisioner: Command) -> None:
    result = provisioner("up", "web", "--lab", str(fake.file))

    assert f"--isolation-lab={fake.file} --isolation-machine=web" in result.lines[-1]
    assert result.lines[-1].endswith(f"provisioner ssh --lab={fake.file} web")


def test_up_goes_on_after_a_machine_that_fails(fake: FakeLab, provisioner: Command) -> None:
    fake["web"].faults["up"] = IsolationError("cannot start machine 'web': QEMU: no", "buy one")
    result = provisioner("up")

    assert result.status == 1
    assert result.err == "provisioner: cannot start machine 'web': QEMU: no; buy one\n"
    assert result.lines[1].split()[:2] == ["web", "failed"]
    assert result.lines[2].split()[:2] == ["db", "running"]
    assert result.lines[-1].endswith("provisioner ssh db")


def test_an_unknown_machine_fails_before_anything_is_started(fake: FakeLab, provisioner: Command) -> None:
    result = provisioner("up", "db", "wbe")

    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("provisioner: cannot find machine 'wbe'; did you mean 'web'?")
    assert fake["db"].did == []


def test_a_machine_that_is_named_twice_is_started_once(fake: FakeLab, provisioner: Command) -> None:
    assert len(json.loads(provisioner("up", "db", "db", "--json").out)) == 1


def test_up_prints_json(fake: FakeLab, provisioner: Command) -> None:
    fake["web"].faults["up"] = IsolationError("cannot start machine 'web': no", "hint")
    rows = json.loads(provisioner("up", "--json").out)

    assert [(row["machine"], row["state"], row["how"], row["why"]) for row in rows] == [
        ("web", "failed", "", "cannot start machine 'web': no"),
        ("db", "running", "booted", ""),
    ]


def test_up_no_apply_only_boots(fake: FakeLab, provisioner: Command) -> None:
    fake["web"].status, fake["web"].snapshots = "halted", [fake.tag("web")]

    assert provisioner("up", "web", "--no-apply").status == 0
    assert fake["web"].did == ["up", "ssh"]


@pytest.mark.parametrize("words", [("up",), ("plan",), ("apply",), ("snapshot", "web", "x"), ("restore", "web")])
def test_without_the_extra_the_error_is_one_line(
    fake: FakeLab, provisioner: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(lab_options, "find_spec", lambda name: None if name == "fabric" else object())
    result = provisioner(*words)

    assert result.status == 1
    assert result.err.count("\n") == 1
    assert result.err.endswith(": fabric is not installed; pip install 'pytest-isolation[lab]'\n")


def test_status_and_down_need_no_extra(fake: FakeLab, provisioner: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_options, "find_spec", lambda name: None)

    assert provisioner("status").status == 0
    assert provisioner("down").status == 0


def test_status_and_down_import_nothing_of_the_extra() -> None:
    code = (
        "import sys; sys.modules['fabric'] = sys.modules['paramiko'] = sys.modules['testinfra'] = None\n"
        "import provisioner.cli.main, provisioner.machines.status\n"
        "import provisioner.machines.usage, provisioner.machines.stop"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_status_uses_no_ssh(fake: FakeLab, provisioner: Command) -> None:
    set_running(fake, "web")
    result = provisioner("status")

    assert result.status == 0
    assert result.lines[0].split() == ["machine", "provider", "box", "status", "snapshots", "roles", "memory"]
    assert result.lines[1].split()[:6] == ["web", "qemu", "debian12", "running", fake.tag("web"), "runc"]
    assert result.lines[2].split() == ["db", "qemu", "debian12", "absent", "-", "-", "1024", "MiB"]
    assert str(fake.lab.directory) in result.lines[-1]
    assert (fake["web"].did, fake["db"].did) == ([], [])


def test_status_prints_json_of_one_machine(fake: FakeLab, provisioner: Command) -> None:
    fake.is_built = False
    (row,) = json.loads(provisioner("status", "web", "--json").out)

    assert (row["machine"], row["status"], row["built"], row["memory"]) == ("web", "absent", False, 512)


def test_an_error_of_one_machine_is_a_note_in_status(
    fake: FakeLab, provisioner: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object) -> list[str]:
        raise IsolationError("cannot start machine 'web': QEMU is not installed", "install it")

    monkeypatch.setattr("fakes_machines.FakeMachine.snapshots", fail)
    result = provisioner("status")

    assert result.status == 0
    assert "web: cannot start machine 'web': QEMU is not installed; install it" in result.lines


def test_an_orphan_is_listed_and_stopped(fake: FakeLab, provisioner: Command) -> None:
    folder = fake.lab.directory / "old" / "vmm"
    folder.mkdir(parents=True)
    (folder / "disk.qcow2").touch()
    fake.machines["old"] = FakeState(status="running")

    assert "old: lab.yaml does not name it with this provider" in provisioner("status").out
    assert "old: stopped" in provisioner("down").lines
    assert fake["old"].did == ["down"]


def test_down_tells_whether_each_machine_was_running(fake: FakeLab, provisioner: Command) -> None:
    set_running(fake, "web")

    assert provisioner("down").lines == ["web: stopped", "db: was not running"]
    assert not is_needed(fake.lab, "web")
    assert fake["web"].snapshots != []


def test_down_destroy_deletes_snapshots(fake: FakeLab, provisioner: Command) -> None:
    set_running(fake, "web")

    assert provisioner("down", "--destroy").lines == ["web: destroyed", "db: did not exist"]
    assert (fake["web"].status, fake["web"].snapshots) == ("absent", [])


def test_down_does_not_go_on_after_an_error_if_a_signal_ended_it(
    fake: FakeLab, provisioner: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_running(fake)
    fake["web"].faults["down"] = IsolationError("cannot stop machine 'web': interrupted")
    monkeypatch.setattr("provisioner.cli.options.interrupted", lambda: True)

    assert provisioner("down").status == 1
    assert fake["db"].did == []


def test_down_goes_on_after_a_machine_that_does_not_stop(fake: FakeLab, provisioner: Command) -> None:
    set_running(fake)
    fake["web"].faults["down"] = IsolationError("cannot stop machine 'web': no")
    result = provisioner("down")

    assert (result.status, result.lines) == (1, ["db: stopped"])
    assert result.err == "provisioner: cannot stop machine 'web': no\n"


@pytest.mark.parametrize("command", ["up", "status", "plan", "apply", "down"])
def test_an_unreadable_lab_is_a_one_line_error(fake: FakeLab, provisioner: Command, command: str) -> None:
    result = provisioner(command, "--lab", "/nowhere/lab.yaml")

    assert (result.status, result.err) == (
        1,
        "provisioner: cannot read '/nowhere/lab.yaml': No such file or directory\n",
    )


def test_several_machines_are_started_in_parallel_processes(
    fake: FakeLab, provisioner: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from provisioner.machines.parallel import CommandResult

    asked: list[tuple[list[list[str]], int]] = []

    def run(commands: list[list[str]], jobs: int) -> list[CommandResult]:
        asked.append((commands, jobs))
        row = {"machine": "web", "state": "running", "how": "restored", "seconds": 2.0, "address": "a:1", "why": ""}
        return [CommandResult(0, json.dumps([row])), CommandResult(-9, "")]

    monkeypatch.setattr("provisioner.machines.parallel.run_parallel", run)
    result = provisioner("up", "--jobs", "2", "--no-apply")

    options = ["--json", "--lab", str(fake.file), "--no-apply"]
    assert asked == [([["up", "web", *options], ["up", "db", *options]], 2)]
    assert result.status == 1
    assert result.lines[1].split() == ["web", "running", "restored", "2.0", "a:1"]
    assert result.err == "provisioner: cannot start machine 'db': its process ended with status -9\n"


def test_prune_prints_what_it_could_not_remove(provisioner: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.journal.prune.prune", lambda: ["removed path /x", "cannot run 'y': no"])
    result = provisioner("prune")

    assert (result.status, result.err) == (1, "cannot run 'y': no\n")
    assert result.lines == ["removed path /x", "leftovers of killed runs removed: 1"]


def test_vagrant_by_hand_gets_the_machines_of_its_provider_as_json(provisioner: Command, fake: FakeLab) -> None:
    fake.file.write_text("machines:\n  web: {provider: qemu}\n  db: {box: a/b, variables: {clock: 12:30}}\n")
    document = json.loads(provisioner("vagrant-json").out)

    assert list(document["machines"]) == ["db"]
    assert document["machines"]["db"] == {"box": "a/b", "box_version": None, "cpus": 2, "memory": 1024, "driver": None}
    assert list(document) == ["machines"]  # by hand Vagrant's own deadlines count


def test_vagrant_by_hand_gets_no_json_from_an_invalid_lab(provisioner: Command, fake: FakeLab) -> None:
    fake.file.write_text("machines:\n  web: {cpus: two}\n")
    failed = provisioner("vagrant-json")

    assert (failed.status, failed.out) == (1, "")
    assert "lab.yaml:2: machines.web.cpus: should be a valid integer, not 'two'" in failed.err
