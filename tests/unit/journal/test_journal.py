"""provisioner.journal: a run undoes what it made, and nothing else."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from fakes_journal import journals

from provisioner.errors import IsolationError
from provisioner.journal import undo
from provisioner.journal.entry import UndoEntry
from provisioner.journal.prune import prune
from provisioner.journal.read import read_journal
from provisioner.journal.run import Run
from provisioner.paths import run_dir

pytestmark = pytest.mark.usefixtures("home")


def test_close_undoes_the_last_thing_first_and_removes_the_journal(home: Path) -> None:
    run = Run.start()
    log = home / "log"
    for name in ("first", "second", "third"):
        entry = run.made("command", ["sh", "-c", f"echo {name} $WHO >> {log}"], {"WHO": "me"})
        if name == "second":
            run.gone(entry)
            run.gone(entry)

    removed = run.close()

    assert log.read_text() == "third me\nfirst me\n"
    assert len(removed) == 2
    assert journals(home) == []
    assert run.close() == []


def test_the_first_line_names_the_owner(home: Path) -> None:
    with Run.start() as run:
        entry = json.loads((home / "run" / "runs" / f"{run.id}.jsonl").read_text())

    assert len(run.id) == 8
    assert int(run.id, 16) >= 0
    assert (entry["owner"], len(entry["boot"])) == (os.getpid(), 36)


def test_a_failed_close_is_an_error_and_keeps_the_entry(home: Path) -> None:
    run = Run.start()
    run.made("command", ["sh", "-c", "echo no >&2; exit 3"])

    with pytest.raises(IsolationError, match="no; then: provisioner prune"):
        run.close()
    assert len(journals(home)) == 1
    assert prune()[0].startswith("cannot run")


def test_what_is_gone_counts_as_undone(home: Path) -> None:
    run = Run.start()
    run.made("command", ["sh", "-c", "echo 'Error: No such container: x' >&2; exit 1"])
    run.made("command", ["sh", "-c", "echo 'lxc-stop: x: lxc_stop.c: main: 168 x is not running' >&2; exit 2"])
    run.made("path", home / "cache" / "absent")
    run.made("cgroup", home / "absent")
    run.made("netns", f"absent-{run.id}")

    assert run.close() == []
    assert journals(home) == []


def test_a_removal_that_is_in_progress_is_waited_for(home: Path) -> None:
    script = f"""
    test -e {home}/asked && echo 'Error: No such container: x' >&2 && exit 1
    touch {home}/asked
    echo 'Error response from daemon: removal of container x is already in progress' >&2
    exit 1
    """
    run = Run.start()
    run.made("command", ["sh", "-c", script])

    assert run.close() == []
    assert (home / "asked").exists()
    assert journals(home) == []


def test_a_failed_command_to_a_daemon_without_data_root_is_forgiven(home: Path) -> None:
    run = Run.start()
    root = home / "run" / "docker-1"
    root.mkdir()
    run.made("path", root)
    run.made("command", ["sh", "-c", "echo cannot connect >&2; exit 1"], {"DOCKER_HOST": f"unix://{root}/docker.sock"})

    assert run.close() == [f"removed path {root}"]


@pytest.mark.parametrize("root", ["gone", "there"])
def test_a_failed_command_to_the_daemon_of_another_run_is_forgiven_when_that_is_gone(home: Path, root: str) -> None:
    data = home / "run" / "docker-0badcafe"
    if root == "there":
        data.mkdir(parents=True)
    run = Run.start()
    run.made("command", ["false"], {"DOCKER_HOST": f"unix://{data}/docker.sock"})

    if root == "gone":
        assert run.close() == []
    else:
        with pytest.raises(IsolationError, match="cannot run 'false'"):
            run.close()


def test_paths_outside_of_our_folders_are_refused(home: Path) -> None:
    outside = home / "outside"
    outside.mkdir()
    (home / "cache" / "link").symlink_to(outside)
    run = Run.start()

    for path in (
        outside,
        home / "cache",
        home / "cache" / "..",
        home / "cache" / "link" / "x",
        Path("cache/x"),
    ):
        with pytest.raises(IsolationError, match="not below our folders"):
            run.made("path", path)
    run.made("path", home / "cache" / "link")
    run.close()
    assert outside.is_dir()
    assert not (home / "cache" / "link").is_symlink()


def test_home_may_be_named_upwards_from_the_working_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home / "cache")
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", "..")
    made = home / "run" / "made"
    made.mkdir()

    with Run.start() as run:
        run.made("path", run_dir() / "made")

    assert not made.exists()


def test_a_line_cut_off_by_a_crash_is_ignored() -> None:
    lines = [
        '{"owner": 7, "start": 1, "boot": "b"}',
        '{"made": 1, "kind": "path", "values": ["/a"]}',
        '{"made": 2, "kind": "netns", "values": ["n"]}',
        '{"gone": 1}',
        '{"made": 3, "kind": "pa',
    ]

    owner, records, damage = read_journal(io.BytesIO("\n".join(lines).encode()))

    assert owner is not None
    assert owner.pid == 7
    assert [(record.number, record.kind) for record in records] == [(2, "netns")]
    assert damage == (2, "cannot remove '/a': not below our folders", 1)


def test_a_forked_child_undoes_nothing_of_its_parent(home: Path) -> None:
    run = Run.start()
    kept = home / "cache" / "kept"
    kept.mkdir()
    run.made("path", kept)

    pid = os.fork()
    if pid == 0:
        run.close()
        os._exit(0)
    os.waitpid(pid, 0)

    assert kept.is_dir()
    run.close()


def test_a_recycled_pid_is_not_killed(home: Path) -> None:
    child = subprocess.Popen(["sleep", "60"])
    record = UndoEntry.load({"made": 1, "kind": "process", "values": [str(child.pid)], "start": 1, "boot": "other"})

    assert undo.undo(record) is False
    assert child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait(60)


def test_an_entry_equals_the_one_read_back() -> None:
    record = UndoEntry(3, "command", ("a", "b c"), (("K", "v"),))

    assert UndoEntry.load(json.loads(json.dumps(record.dump()))) == record
