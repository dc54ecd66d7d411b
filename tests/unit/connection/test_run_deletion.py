"""A program that hangs while it deletes something gets little time for the next deletion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from provisioner.connection import local
from provisioner.connection.local import CommandTimeout, Completed, hangs, run_deletion
from provisioner.deadlines import deadline


class Hanging(local.LocalConnection):
    """A host on which `docker` hangs."""

    def __init__(self) -> None:
        self.given: list[float] = []

    def run(
        self, argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None, inside: bool = False
    ) -> Completed:
        self.given.append(timeout)
        if argv[0] == "docker":
            raise CommandTimeout("cannot run 'docker': no end")
        return Completed(tuple(argv), 0, b"", b"")


def test_the_second_deletion_of_a_hanging_program_gets_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_hanging", set())
    host = Hanging()

    for argv in (["docker", "rm"], ["docker", "rmi"], ["podman", "rm"]):
        if argv[0] == "podman":
            run_deletion(host, argv)
            continue
        with pytest.raises(CommandTimeout):
            run_deletion(host, argv)

    assert host.given == [deadline("delete"), deadline("undo.start"), deadline("delete")]
    assert (hangs("docker"), hangs("podman")) == (True, False)
