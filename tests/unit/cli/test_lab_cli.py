"""The commands of the lab, on machines that are fakes: what they print, what they do, and how they end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fakes_machines import FakeLab, Kept

from provisioner.cli import machine as machine_cli
from provisioner.cli import main as cli
from provisioner.cli import options as lab_options
from provisioner.errors import IsolationError
from provisioner.machines.openssh import render_remote
from provisioner.machines.usage import is_needed

LAB = """\
machines:
  web: {provider: qemu, roles: [runc], memory: 512}
  db: {provider: qemu}
"""


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Command = Callable[..., Result]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeLab:
    return FakeLab(tmp_path, monkeypatch, LAB)


@pytest.fixture
def provisioner(fake: FakeLab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line, in the folder of the lab, one machine at a time."""
    monkeypatch.chdir(fake.file.parent)
    monkeypatch.setattr("provisioner.machines.parallel.default_jobs", lambda: 1)

    def run(*words: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["provisioner", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)

    return run


def running(fake: FakeLab, *names: str) -> None:
    for name in names or tuple(fake.machines):
        fake[name].status, fake[name].snapshots = "running", [fake.tag(name)]


def test_up_starts_all_of_the_lab_and_says_what_is_next(fake: FakeLab, provisioner: Command) -> None:
    fake["db"].status, fake["db"].snapshots = "halted", [fake.tag("db")]
    result = provisioner("up")

    assert result.status == 0
    assert result.lines[1].split()[:3] == ["web", "running", "booted"]
    assert result.lines[2].split()[:3] == ["db", "running", "restored"]
    assert result.lines[1].endswith("127.0.0.1:2222")
    assert result.lines[3] == "next: pytest --isolation=vm --isolation-machine=web,db, or provisioner ssh web"
    assert all(is_needed(fake.lab, name) for name in ("web", "db"))


def test_up_names_the_lab_in_what_is_next_when_it_was_named(fake: FakeLab, provisioner: Command) -> None:
    result = provisioner("up", "web", "--lab", str(fake.file))

    assert f"--isolation-lab={fake.file} --isolation-machine=web" in result.lines[-1]
    assert result.lines[-1].endswith(f"provisioner ssh --lab={fake.file} web")


def test_one_that_fails_does_not_stop_the_others(fake: FakeLab, provisioner: Command) -> None:
    fake["web"].faults["up"] = IsolationError("cannot start machine 'web': QEMU: no", "buy one")
    result = provisioner("up")

    assert result.status == 1
    assert result.err == "provisioner: cannot start machine 'web': QEMU: no; buy one\n"
    assert result.lines[1].split()[:2] == ["web", "failed"]
    assert result.lines[2].split()[:2] == ["db", "running"]
    assert result.lines[-1].endswith("provisioner ssh db")


def test_an_unknown_machine_ends_it_before_anything_is_done(fake: FakeLab, provisioner: Command) -> None:
    result = provisioner("up", "db", "wbe")

    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("provisioner: cannot find machine 'wbe'; did you mean 'web'?")
    assert fake["db"].did == []


def test_a_machine_that_is_named_twice_is_started_once(fake: FakeLab, provisioner: Command) -> None:
    assert len(json.loads(provisioner("up", "db", "db", "--json").out)) == 1


def test_up_as_json_is_what_a_script_can_read(fake: FakeLab, provisioner: Command) -> None:
    fake["web"].faults["up"] = IsolationError("cannot start machine 'web': no", "hint")
    rows = json.loads(provisioner("up", "--json").out)

    assert [(row["machine"], row["state"], row["how"], row["why"]) for row in rows] == [
        ("web", "failed", "", "cannot start machine 'web': no"),
        ("db", "running", "booted", ""),
    ]


def test_up_without_applying_only_boots(fake: FakeLab, provisioner: Command) -> None:
    fake["web"].status, fake["web"].snapshots = "halted", [fake.tag("web")]

    assert provisioner("up", "web", "--no-apply").status == 0
    assert fake["web"].did == ["up", "ssh"]


@pytest.mark.parametrize("words", [("up",), ("plan",), ("apply",), ("snapshot", "web", "x"), ("restore", "web")])
def test_without_the_extra_there_is_one_line(
    fake: FakeLab, provisioner: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(lab_options, "find_spec", lambda name: None if name == "fabric" else object())
    result = provisioner(*words)

    assert result.status == 1
    assert result.err.count("\n") == 1
    assert result.err.endswith(": fabric is not installed; pip install 'pytest-isolation[lab]'\n")


def test_looking_and_stopping_need_no_extra(
    fake: FakeLab, provisioner: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab_options, "find_spec", lambda name: None)

    assert provisioner("status").status == 0
    assert provisioner("down").status == 0


def test_looking_and_stopping_import_nothing_of_the_extra() -> None:
    code = (
        "import sys; sys.modules['fabric'] = sys.modules['paramiko'] = sys.modules['testinfra'] = None\n"
        "import provisioner.cli.main, provisioner.machines.status\n"
        "import provisioner.machines.usage, provisioner.machines.stop"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_status_asks_nothing_over_ssh(fake: FakeLab, provisioner: Command) -> None:
    running(fake, "web")
    result = provisioner("status")

    assert result.status == 0
    assert result.lines[0].split() == ["machine", "provider", "box", "status", "snapshots", "roles", "memory"]
    assert result.lines[1].split()[:6] == ["web", "qemu", "debian12", "running", fake.tag("web"), "runc"]
    assert result.lines[2].split() == ["db", "qemu", "debian12", "absent", "-", "-", "1024", "MiB"]
    assert str(fake.lab.directory) in result.lines[-1]
    assert (fake["web"].did, fake["db"].did) == ([], [])


def test_status_of_one_as_json(fake: FakeLab, provisioner: Command) -> None:
    fake.is_built = False
    (row,) = json.loads(provisioner("status", "web", "--json").out)

    assert (row["machine"], row["status"], row["built"], row["memory"]) == ("web", "absent", False, 512)


def test_what_cannot_be_told_of_one_is_a_note_and_not_the_end(
    fake: FakeLab, provisioner: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object) -> list[str]:
        raise IsolationError("cannot start machine 'web': QEMU is not installed", "install it")

    monkeypatch.setattr("fakes_machines.FakeMachine.snapshots", fail)
    result = provisioner("status")

    assert result.status == 0
    assert "web: cannot start machine 'web': QEMU is not installed; install it" in result.lines


def test_a_machine_that_lab_yaml_names_no_more_is_seen_and_stopped(fake: FakeLab, provisioner: Command) -> None:
    folder = fake.lab.directory / "old" / "vmm"
    folder.mkdir(parents=True)
    (folder / "disk.qcow2").touch()
    fake.machines["old"] = Kept(status="running")

    assert "old: lab.yaml does not name it (any more), or with another provider" in provisioner("status").out
    assert "old: stopped" in provisioner("down").lines
    assert fake["old"].did == ["down"]


def test_a_plan_changes_nothing(fake: FakeLab, provisioner: Command) -> None:
    running(fake)
    fake["web"].drift = 1
    result = provisioner("plan")

    assert result.status == 0
    assert result.lines == [
        "web: 1 to change",
        "  package package0: state: absent → installed",
        "db: nothing to change",
    ]
    assert fake["web"].did == ["ssh", "plan", "close"]


def test_a_plan_is_a_check_when_asked(fake: FakeLab, provisioner: Command) -> None:
    running(fake)
    assert provisioner("plan", "--check").status == 0

    fake["db"].drift = 1
    assert provisioner("plan", "--check").status == 2


def test_a_plan_for_one_that_does_not_run_is_one_line(fake: FakeLab, provisioner: Command) -> None:
    running(fake, "db")
    fake["db"].drift = 1
    result = provisioner("plan", "--check")

    assert result.status == 1
    assert result.err == "provisioner: cannot reach machine 'web': it does not run; provisioner up web\n"
    assert result.lines[0] == "db: 1 to change"


def test_apply_shows_the_plan_and_a_second_one_changes_nothing(fake: FakeLab, provisioner: Command) -> None:
    running(fake, "web")
    fake["web"].drift, fake["web"].snapshots = 1, ["converged-0123456789ab", "mine"]
    first, second = provisioner("apply", "web"), provisioner("apply", "web")

    assert (first.status, second.status) == (0, 0)
    assert first.lines[0] == "web: 1 to change"
    assert first.lines[2].startswith("web: 1 changed in ")
    assert first.lines[-1] == f"web: frozen as {fake.tag('web')}"
    assert second.lines[0] == "web: nothing to change"
    assert second.lines[1].startswith("web: 0 changed in ")
    assert fake["web"].snapshots == ["mine", fake.tag("web")]


def test_apply_shows_what_the_roles_promise(fake: FakeLab, provisioner: Command) -> None:
    running(fake, "web")
    result = provisioner("apply", "web")

    assert result.lines[2].split() == ["role", "promise", "seen"]
    assert result.lines[3].split() == ["runc", "package", "runc", "holds"]
    assert "promise" not in provisioner("apply", "web", "--no-verify").out


def test_a_broken_promise_is_a_failure_and_is_not_frozen(fake: FakeLab, provisioner: Command) -> None:
    running(fake, "web")
    fake["web"].broken, fake["web"].snapshots = "it is not installed", []
    result = provisioner("apply", "web")

    assert result.status == 1
    assert result.err == (
        "provisioner: cannot verify machine 'web': 1 of 1 promises do not hold, "
        "first 'package runc': it is not installed\n"
    )
    assert fake["web"].snapshots == []


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What `provisioner ssh` has become."""
    argvs: list[list[str]] = []

    def exec_(file: str, argv: list[str]) -> None:
        argvs.append(argv)

    monkeypatch.setattr(machine_cli.os, "execvp", exec_)
    return argvs


def test_ssh_becomes_openssh_with_the_machines_key(
    fake: FakeLab, provisioner: Command, became: list[list[str]]
) -> None:
    running(fake, "web")
    provisioner("ssh", "web")

    assert became[0][0] == "ssh"
    assert became[0][-2:] == ["--", "127.0.0.1"]
    assert (fake.lab.directory / "web.known_hosts").read_text() == "machine ssh-ed25519 AAAA\n"


@pytest.mark.parametrize(
    "words",
    [["echo", "a b", "*", "$HOME"], ["ls", "-l", "--lab", "x"], ["sh", "-c", "a | b", "--", "c"], ["-v"]],
    ids=" ".join,
)
def test_ssh_hands_each_word_on_as_it_is(
    fake: FakeLab, provisioner: Command, became: list[list[str]], words: list[str]
) -> None:
    running(fake, "web")
    provisioner("ssh", "web", "--", *words)

    assert became[0][-1] == render_remote(words)


def test_ssh_goes_through_the_labs_network(fake: FakeLab, provisioner: Command, became: list[list[str]]) -> None:
    running(fake, "web")
    fake["web"].netns = "/run/lab/netns"
    provisioner("ssh", "--lab", str(fake.file), "web")

    assert became[0][:3] == ["nsenter", "--net=/run/lab/netns", "--"]


def test_ssh_to_one_that_does_not_run_is_one_line(fake: FakeLab, provisioner: Command) -> None:
    result = provisioner("ssh", "web", "true")

    assert (result.status, result.out) == (1, "")
    assert result.err == "provisioner: cannot reach machine 'web': it does not run; provisioner up web\n"


def test_ssh_that_is_not_installed_is_named(
    fake: FakeLab, provisioner: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    running(fake, "web")
    monkeypatch.setenv("PATH", "/nowhere")

    wanted = "cannot run 'ssh': No such file or directory; apt-get install openssh-client"
    assert wanted in provisioner("ssh", "web").err


def test_a_snapshot_has_a_name_of_the_users(fake: FakeLab, provisioner: Command) -> None:
    running(fake, "web")

    assert provisioner("snapshot", "web", "mine").lines == ["web: frozen as mine"]
    refused = provisioner("snapshot", "web", "converged-mine")
    assert refused.err.startswith("provisioner: cannot name a snapshot 'converged-mine'; ")
    assert fake["web"].did == ["freeze mine"]


def test_restoring_goes_back_to_the_converged_one_unless_another_is_named(fake: FakeLab, provisioner: Command) -> None:
    fake["web"].status, fake["web"].snapshots = "halted", ["mine", fake.tag("web")]

    assert provisioner("restore", "web").lines == [f"web: restored from {fake.tag('web')}"]
    assert provisioner("restore", "web", "mine").lines == ["web: restored from mine"]
    assert is_needed(fake.lab, "web")


def test_a_snapshot_that_is_not_there_lists_those_that_are(fake: FakeLab, provisioner: Command) -> None:
    running(fake, "web")
    fake["web"].snapshots = ["mine"]
    result = provisioner("restore", "web", "yours")

    assert result.status == 1
    assert result.err.startswith("provisioner: cannot restore machine 'web': it has no snapshot 'yours'; it has: mine;")


def test_down_says_what_it_found(fake: FakeLab, provisioner: Command) -> None:
    running(fake, "web")

    assert provisioner("down").lines == ["web: stopped", "db: was not running"]
    assert not is_needed(fake.lab, "web")
    assert fake["web"].snapshots != []


def test_destroying_leaves_nothing(fake: FakeLab, provisioner: Command) -> None:
    running(fake, "web")

    assert provisioner("down", "--destroy").lines == ["web: destroyed", "db: was not there"]
    assert (fake["web"].status, fake["web"].snapshots) == ("absent", [])


def test_one_that_does_not_stop_does_not_keep_the_others_up(fake: FakeLab, provisioner: Command) -> None:
    running(fake)
    fake["web"].faults["down"] = IsolationError("cannot stop machine 'web': no")
    result = provisioner("down")

    assert (result.status, result.lines) == (1, ["db: stopped"])
    assert result.err == "provisioner: cannot stop machine 'web': no\n"


@pytest.mark.parametrize("command", ["up", "status", "plan", "apply", "down"])
def test_a_lab_that_cannot_be_read_is_one_line(fake: FakeLab, provisioner: Command, command: str) -> None:
    result = provisioner(command, "--lab", "/nowhere/lab.yaml")

    assert (result.status, result.err) == (
        1,
        "provisioner: cannot read '/nowhere/lab.yaml': No such file or directory\n",
    )


def test_several_come_up_side_by_side_each_in_a_process(
    fake: FakeLab, provisioner: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from provisioner.machines.parallel import Ended

    asked: list[tuple[list[list[str]], int]] = []

    def run(commands: list[list[str]], jobs: int) -> list[Ended]:
        asked.append((commands, jobs))
        row = {"machine": "web", "state": "running", "how": "restored", "seconds": 2.0, "address": "a:1", "why": ""}
        return [Ended(0, json.dumps([row])), Ended(-9, "")]

    monkeypatch.setattr("provisioner.machines.parallel.run_side_by_side", run)
    result = provisioner("up", "--jobs", "2", "--no-apply")

    options = ["--json", "--lab", str(fake.file), "--no-apply"]
    assert asked == [([["up", "web", *options], ["up", "db", *options]], 2)]
    assert result.status == 1
    assert result.lines[1].split() == ["web", "running", "restored", "2.0", "a:1"]
    assert result.err == "provisioner: cannot bring up machine 'db': its process ended with status -9\n"


def test_prune_says_what_it_could_not_take_away(provisioner: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.journal.run.prune", lambda: ["removed path /x", "cannot run 'y': no"])
    result = provisioner("prune")

    assert (result.status, result.err) == (1, "cannot run 'y': no\n")
    assert result.lines == ["removed path /x", "1 things of dead runs were left"]


def test_vagrant_by_hand_gets_the_machines_of_its_provider_as_json(provisioner: Command, fake: FakeLab) -> None:
    fake.file.write_text("machines:\n  web: {provider: qemu}\n  db: {box: a/b, variables: {clock: 12:30}}\n")
    document = json.loads(provisioner("vagrant-json").out)

    assert list(document["machines"]) == ["db"]
    assert document["machines"]["db"] == {"box": "a/b", "box_version": None, "cpus": 2, "memory": 1024, "driver": None}
    assert document["boot_timeout"] > 0


def test_vagrant_by_hand_gets_no_json_from_an_invalid_lab(provisioner: Command, fake: FakeLab) -> None:
    fake.file.write_text("machines:\n  web: {cpus: two}\n")
    failed = provisioner("vagrant-json")

    assert (failed.status, failed.out) == (1, "")
    assert "lab.yaml:2: machines.web.cpus: should be a valid integer, not 'two'" in failed.err
