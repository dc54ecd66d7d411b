"""A program that hangs gets little time for its next deletion; a daemon that does not answer is asked once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pytest

from provisioner import deadlines
from provisioner.connection import hanging, local
from provisioner.connection.hanging import SilentDaemon, ask_daemon, hangs, refuse_silent, run_deletion
from provisioner.connection.local import Check, CommandTimeout, Completed, run_command
from provisioner.deadlines import deadline


class Hanging(local.LocalConnection):
    """A host on which `docker` hangs."""

    def __init__(self) -> None:
        self.given: list[float] = []

    def run(
        self,
        argv: Sequence[str],
        timeout: float,
        env: Mapping[str, str] | None = None,
        inside: bool = False,
        check: Check | None = None,
    ) -> Completed:
        self.given.append(timeout)
        if argv[0] == "docker":
            raise CommandTimeout("cannot run 'docker': no end")
        return Completed(tuple(argv), 1, b"", b"")


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hanging, "_slow", set())
    monkeypatch.setattr(hanging, "_silent", {})


def test_the_second_deletion_of_a_hanging_program_gets_little_time() -> None:
    host = Hanging()

    for argv in (["docker", "rm"], ["docker", "rmi"]):
        with pytest.raises(CommandTimeout):
            run_deletion(host, argv)
    run_deletion(host, ["podman", "rm"])

    assert host.given == [deadline("delete"), deadline("undo.start"), deadline("delete")]
    assert (hangs("docker"), hangs("podman")) == (True, False)


def test_a_silent_daemon_is_asked_once_and_every_later_command_fails_with_the_same_line() -> None:
    host, lines = Hanging(), []

    for use in (
        lambda: ask_daemon(host, ["docker", "version", "--format", "x"]),
        lambda: ask_daemon(host, ["docker", "version", "--format", "x"]),
        lambda: run_deletion(host, ["docker", "rm"]),
        lambda: refuse_silent("docker"),
    ):
        with pytest.raises(SilentDaemon) as caught:
            use()
        lines.append(caught.value.what)

    assert host.given == [deadline("daemon.answer")]
    assert set(lines) == {"cannot use 'docker': its daemon did not answer 'docker version' in 30 s"}


def test_a_daemon_that_refuses_is_not_silent_and_other_hosts_are_not_meant() -> None:
    host = Hanging()
    ask_daemon(host, ["podman", "info"])  # exit status 1
    with pytest.raises(SilentDaemon):
        ask_daemon(host, ["docker", "version"])

    refuse_silent("podman")
    refuse_silent("docker", "debian12")


def test_a_check_ends_a_command_long_before_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(deadlines._SECONDS, "daemon.check", 0.1)
    checks = iter(range(3))

    def check() -> None:
        if next(checks) == 2:
            raise SilentDaemon("cannot use 'sleep'")

    started = time.monotonic()
    with pytest.raises(SilentDaemon):
        run_command(["sleep", "60"], 50, check=check)

    assert time.monotonic() - started < 20
    assert next(checks, None) is None


def test_a_check_does_not_lengthen_a_command_or_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(deadlines._SECONDS, "daemon.check", 0.1)

    with pytest.raises(CommandTimeout, match="no end after 0 s"):
        run_command(["sleep", "60"], 0.3, check=lambda: None)
    assert run_command(["sh", "-c", "sleep 0.3; exit 7"], 60, check=lambda: None).status == 7
