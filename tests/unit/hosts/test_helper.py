"""provisioner.hosts.helper: an engine's own container shows the daemon's host; here a shell script plays the engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.hosts import helper
from provisioner.hosts.files_local import LocalFiles
from provisioner.hosts.helper import Helpers
from provisioner.hosts.host import Host
from provisioner.journal.run import Run
from provisioner.probe.build import probe_binary
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.runtime import Runtime

# takes the place of docker: runs the probe itself, and notes what it was asked
ENGINE = """#!/bin/sh
echo "$@" >>{log}
case $1 in run) ;; *) exit 0 ;; esac
while [ "$1" != /probe ]; do shift; done
shift
{refusal}
case "$*" in *" --host") exec {probe} "$1" "$2" ;; esac  # root in a container may not enter the mounts of process 1
exec {probe} "$@"
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    built = probe_binary()
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / built.path.parent.name).symlink_to(built.path.parent)
    with Run.start() as run:
        made = Host(LocalFiles(), run, built)
        try:
            yield made
        finally:
            made.close()


def engine(folder: Path, monkeypatch: pytest.MonkeyPatch, refusal: str = "") -> tuple[Runtime, Path]:
    """Put a program named docker on PATH; return the role of docker without questions, and the log of the program."""
    log, program = folder / "log", folder / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(ENGINE.format(log=log, probe=probe_binary().path, refusal=refusal))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return load_runtime("docker").model_copy(update={"version": None, "daemon": None}), log


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the helper's host be taken for another one: it is this machine, and the boot ids are equal."""
    monkeypatch.setattr(helper.HelperView, "is_elsewhere", True)


def test_the_helper_takes_the_place_of_this_machines_probe(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, log = engine(tmp_path, monkeypatch)
    elsewhere(monkeypatch)
    helpers = Helpers()

    seen = helpers.seen(host, runtime)

    assert (seen.here, seen.seen_from) == (False, "docker's daemon")
    assert (host.here, seen.run, seen.directory) == (True, host.run, host.directory)
    assert seen.pid != host.pid
    assert seen.facts.boot_id == host.facts.boot_id
    assert seen.facts_beside().process.mounts == host.facts_beside().process.mounts
    assert seen.canary_words != host.canary_words
    assert helpers.moved() == []
    helpers.close()
    argv = next(line for line in log.read_text().splitlines() if line.startswith("run "))
    assert {"--privileged", "--pid=host", "--network=host", "--ipc=host", "--uts=host"} <= set(argv.split())
    assert not Path(f"/proc/{seen.pid}").exists()


def test_one_helper_serves_all_targets_of_an_engine(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, log = engine(tmp_path, monkeypatch)
    elsewhere(monkeypatch)
    helpers = Helpers()

    pids = {helpers.seen(host, runtime).pid for _ in range(2)}
    helpers.close()

    assert len(pids) == 1
    assert log.read_text().count("--privileged") == 1


def test_a_daemon_on_this_machine_needs_no_helper(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, _ = engine(tmp_path, monkeypatch)
    monkeypatch.setattr(helper, "INITIAL", {"pid": host.facts.process.namespaces.pid})

    assert Helpers().seen(host, runtime) is host


def test_a_runtime_without_a_daemon_has_no_helper(host: Host) -> None:
    assert Helpers().seen(host, load_runtime("runc")) is host


def test_an_engine_that_refuses_the_helper_is_an_error_with_its_words(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, _ = engine(tmp_path, monkeypatch, "echo 'docker: privileged mode is refused here' >&2; exit 125")

    with pytest.raises(IsolationError, match=r"cannot start the helper of 'docker': .*refused here") as error:
        Helpers().seen(host, runtime)

    assert "--isolation-host" in error.value.hint


def test_canaries_of_a_lost_helper_are_deleted_by_another_helper(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, log = engine(tmp_path, monkeypatch)
    elsewhere(monkeypatch)
    helpers = Helpers()
    seen = helpers.seen(host, runtime)
    key, name = seen.canaries.key, seen.canaries.name

    seen._stream.kill()
    helpers.close()
    host.close()
    undone = host.run.close()

    assert f"canaries delete {key} {name}" in log.read_text()
    assert any("canaries delete" in line for line in undone)
