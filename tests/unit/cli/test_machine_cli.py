"""The commands plan, apply, ssh, snapshot and restore on fake machines: what they print and how they end."""

from __future__ import annotations

import pytest
from fakes_cli import Command, set_running
from fakes_machines import FakeLab

from provisioner.cli import machine as machine_cli
from provisioner.machines.openssh import render_remote
from provisioner.machines.usage import is_needed


def test_plan_changes_nothing(fake: FakeLab, provisioner: Command) -> None:
    set_running(fake)
    fake["web"].drift = 1
    result = provisioner("plan")

    assert result.status == 0
    assert result.lines == [
        "web: 1 to change",
        "  package package0: state: absent → installed",
        "db: nothing to change",
    ]
    assert fake["web"].did == ["ssh", "plan", "close"]


def test_plan_check_exits_2_if_something_would_change(fake: FakeLab, provisioner: Command) -> None:
    set_running(fake)
    assert provisioner("plan", "--check").status == 0

    fake["db"].drift = 1
    assert provisioner("plan", "--check").status == 2


def test_plan_of_a_halted_machine_is_a_one_line_error(fake: FakeLab, provisioner: Command) -> None:
    set_running(fake, "db")
    fake["db"].drift = 1
    result = provisioner("plan", "--check")

    assert result.status == 1
    assert result.err == "provisioner: cannot reach machine 'web': it does not run; provisioner up web\n"
    assert result.lines[0] == "db: 1 to change"


def test_apply_prints_the_plan_and_a_second_apply_changes_nothing(fake: FakeLab, provisioner: Command) -> None:
    set_running(fake, "web")
    fake["web"].drift, fake["web"].snapshots = 1, ["converged-0123456789ab", "mine"]
    first, second = provisioner("apply", "web"), provisioner("apply", "web")

    assert (first.status, second.status) == (0, 0)
    assert first.lines[0] == "web: 1 to change"
    assert first.lines[2].startswith("web: 1 changed in ")
    assert first.lines[-1] == f"web: saved snapshot {fake.tag('web')}"
    assert second.lines[0] == "web: nothing to change"
    assert second.lines[1].startswith("web: 0 changed in ")
    assert fake["web"].snapshots == ["mine", fake.tag("web")]


def test_apply_prints_the_roles_promises(fake: FakeLab, provisioner: Command) -> None:
    set_running(fake, "web")
    result = provisioner("apply", "web")

    assert result.lines[2].split() == ["role", "promise", "result"]
    assert result.lines[3].split() == ["runc", "package", "runc", "holds"]
    assert "promise" not in provisioner("apply", "web", "--no-verify").out


def test_no_snapshot_is_saved_of_a_machine_with_a_broken_promise(fake: FakeLab, provisioner: Command) -> None:
    set_running(fake, "web")
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
    """The argument lists that `provisioner ssh` has executed."""
    argvs: list[list[str]] = []

    def exec_(file: str, argv: list[str]) -> None:
        argvs.append(argv)

    monkeypatch.setattr(machine_cli.os, "execvp", exec_)
    return argvs


def test_ssh_executes_openssh_with_the_machines_key(
    fake: FakeLab, provisioner: Command, became: list[list[str]]
) -> None:
    set_running(fake, "web")
    provisioner("ssh", "web")

    assert became[0][0] == "ssh"
    assert became[0][-2:] == ["--", "127.0.0.1"]
    assert (fake.lab.directory / "web.known_hosts").read_text() == "machine ssh-ed25519 AAAA\n"


@pytest.mark.parametrize(
    "words",
    [["echo", "a b", "*", "$HOME"], ["ls", "-l", "--lab", "x"], ["sh", "-c", "a | b", "--", "c"], ["-v"]],
    ids=" ".join,
)
def test_ssh_passes_each_word_unchanged(
    fake: FakeLab, provisioner: Command, became: list[list[str]], words: list[str]
) -> None:
    set_running(fake, "web")
    provisioner("ssh", "web", "--", *words)

    assert became[0][-1] == render_remote(words)


def test_ssh_enters_the_labs_network(fake: FakeLab, provisioner: Command, became: list[list[str]]) -> None:
    set_running(fake, "web")
    fake["web"].netns = "/run/lab/netns"
    provisioner("ssh", "--lab", str(fake.file), "web")

    assert became[0][:3] == ["nsenter", "--net=/run/lab/netns", "--"]


def test_ssh_to_a_halted_machine_is_a_one_line_error(fake: FakeLab, provisioner: Command) -> None:
    result = provisioner("ssh", "web", "true")

    assert (result.status, result.out) == (1, "")
    assert result.err == "provisioner: cannot reach machine 'web': it does not run; provisioner up web\n"


def test_a_missing_ssh_is_named_with_its_package(
    fake: FakeLab, provisioner: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_running(fake, "web")
    monkeypatch.setenv("PATH", "/nowhere")

    wanted = "cannot run 'ssh': No such file or directory; apt-get install openssh-client"
    assert wanted in provisioner("ssh", "web").err


def test_a_users_snapshot_must_not_have_a_reserved_name(fake: FakeLab, provisioner: Command) -> None:
    set_running(fake, "web")

    assert provisioner("snapshot", "web", "mine").lines == ["web: saved snapshot mine"]
    refused = provisioner("snapshot", "web", "converged-mine")
    assert refused.err.startswith("provisioner: cannot name a snapshot 'converged-mine'; ")
    assert fake["web"].did == ["snapshot mine"]


def test_restore_uses_the_converged_snapshot_by_default(fake: FakeLab, provisioner: Command) -> None:
    fake["web"].status, fake["web"].snapshots = "halted", ["mine", fake.tag("web")]

    assert provisioner("restore", "web").lines == [f"web: restored from {fake.tag('web')}"]
    assert provisioner("restore", "web", "mine").lines == ["web: restored from mine"]
    assert is_needed(fake.lab, "web")


def test_a_missing_snapshot_lists_the_existing_ones(fake: FakeLab, provisioner: Command) -> None:
    set_running(fake, "web")
    fake["web"].snapshots = ["mine"]
    result = provisioner("restore", "web", "yours")

    assert result.status == 1
    assert result.err.startswith("provisioner: cannot restore machine 'web': it has no snapshot 'yours'; it has: mine;")
