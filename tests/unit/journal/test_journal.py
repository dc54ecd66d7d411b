"""provisioner.journal: a run or the next prune undoes what the run made, and nothing else."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.journal import undo
from provisioner.journal.entry import UndoEntry
from provisioner.journal.prune import prune
from provisioner.journal.read import read_journal
from provisioner.journal.run import Run
from provisioner.paths import PACKAGE, run_dir

REPOSITORY = PACKAGE.parent

# A run in a process of its own: makes things, says so, and waits to be killed.
CHILD = """
import subprocess, sys, time
from pathlib import Path
from provisioner.journal.run import Run
run = Run.start()
exec(sys.argv[1])
print(run.id, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("run", "cache"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path))
    return tmp_path


def journals(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "run" / "runs").iterdir())


def start_child(folder: Path, body: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", CHILD, body]
    env = {**os.environ, "PYTEST_ISOLATION_HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env)
    assert child.stdout is not None
    assert child.stdout.readline()
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.wait(60)
    assert child.stdout is not None
    child.stdout.close()


def test_close_undoes_the_last_thing_first_and_removes_the_journal(folders: Path) -> None:
    run = Run.start()
    log = folders / "log"
    for name in ("first", "second", "third"):
        entry = run.made("command", ["sh", "-c", f"echo {name} $WHO >> {log}"], {"WHO": "me"})
        if name == "second":
            run.gone(entry)
            run.gone(entry)

    removed = run.close()

    assert log.read_text() == "third me\nfirst me\n"
    assert len(removed) == 2
    assert journals(folders) == []
    assert run.close() == []


def test_the_first_line_names_the_owner(folders: Path) -> None:
    with Run.start() as run:
        entry = json.loads((folders / "run" / "runs" / f"{run.id}.jsonl").read_text())

    assert len(run.id) == 8
    assert int(run.id, 16) >= 0
    assert (entry["owner"], len(entry["boot"])) == (os.getpid(), 36)


def test_prune_after_a_sigkill_removes_exactly_what_was_made(folders: Path) -> None:
    mine, theirs = folders / "cache" / "mine", folders / "cache" / "theirs"
    theirs.mkdir()
    body = f"""
path = Path({str(mine)!r}); run.made("path", path); (path / "deep").mkdir(parents=True)
other = Path({str(folders / "cache" / "undone")!r}); run.gone(run.made("path", other)); other.mkdir()
sleeper = subprocess.Popen(["sleep", "60"]); run.made("process", sleeper.pid)
Path({str(folders / "pid")!r}).write_text(str(sleeper.pid))
"""
    child = start_child(folders, body)
    sleeper = int((folders / "pid").read_text())

    assert prune() == []
    assert mine.is_dir()
    end(child)
    said = prune()

    assert said == [f"removed process {sleeper}", f"removed path {mine}"]
    assert not mine.exists()
    assert theirs.is_dir()
    assert (folders / "cache" / "undone").is_dir()
    assert not os.path.exists(f"/proc/{sleeper}") or " Z " in Path(f"/proc/{sleeper}/stat").read_text()
    assert journals(folders) == []
    assert prune() == []


def test_prune_does_not_touch_a_living_run(folders: Path) -> None:
    kept = folders / "cache" / "kept"
    kept.mkdir()
    run = Run.start()
    run.made("path", kept)

    assert prune() == []
    assert kept.is_dir()
    run.close()
    assert not kept.exists()


def test_what_cannot_be_undone_stays_for_the_next_prune(folders: Path) -> None:
    flag = folders / "flag"
    body = f"""
run.made("path", {str(folders / "cache" / "x")!r})
run.made("command", ["sh", "-c", "test -e {flag} || {{ echo it is busy >&2; exit 1; }}"])
"""
    end(start_child(folders, body))
    (folders / "cache" / "x").touch()

    first = prune()
    second = prune()
    flag.touch()
    third = prune()

    assert first[0].startswith("removed path")
    assert first[1].endswith(": it is busy")
    assert len(second) == 1
    assert third[0].startswith("undone by sh -c")
    assert journals(folders) == []


def test_a_failed_close_is_an_error_and_keeps_the_entry(folders: Path) -> None:
    run = Run.start()
    run.made("command", ["sh", "-c", "echo no >&2; exit 3"])

    with pytest.raises(IsolationError, match="no; then: provisioner prune"):
        run.close()
    assert len(journals(folders)) == 1
    assert prune()[0].startswith("cannot run")


def test_what_is_gone_counts_as_undone(folders: Path) -> None:
    run = Run.start()
    run.made("command", ["sh", "-c", "echo 'Error: No such container: x' >&2; exit 1"])
    run.made("command", ["sh", "-c", "echo 'lxc-stop: x: lxc_stop.c: main: 168 x is not running' >&2; exit 2"])
    run.made("path", folders / "cache" / "absent")
    run.made("cgroup", folders / "absent")
    run.made("netns", f"absent-{run.id}")

    assert run.close() == []
    assert journals(folders) == []


def test_a_failed_command_to_a_daemon_without_data_root_is_forgiven(folders: Path) -> None:
    run = Run.start()
    root = folders / "run" / "docker-1"
    root.mkdir()
    run.made("path", root)
    run.made("command", ["sh", "-c", "echo cannot connect >&2; exit 1"], {"DOCKER_HOST": f"unix://{root}/docker.sock"})

    assert run.close() == [f"removed path {root}"]


@pytest.mark.parametrize("root", ["gone", "there"])
def test_a_failed_command_to_the_daemon_of_another_run_is_forgiven_when_that_is_gone(folders: Path, root: str) -> None:
    data = folders / "run" / "docker-0badcafe"
    if root == "there":
        data.mkdir(parents=True)
    run = Run.start()
    run.made("command", ["false"], {"DOCKER_HOST": f"unix://{data}/docker.sock"})

    if root == "gone":
        assert run.close() == []
    else:
        with pytest.raises(IsolationError, match="cannot run 'false'"):
            run.close()


def test_paths_outside_of_our_folders_are_refused(folders: Path) -> None:
    outside = folders / "outside"
    outside.mkdir()
    (folders / "cache" / "link").symlink_to(outside)
    run = Run.start()

    for path in (
        outside,
        folders / "cache",
        folders / "cache" / "..",
        folders / "cache" / "link" / "x",
        Path("cache/x"),
    ):
        with pytest.raises(IsolationError, match="not below our folders"):
            run.made("path", path)
    run.made("path", folders / "cache" / "link")
    run.close()
    assert outside.is_dir()
    assert not (folders / "cache" / "link").is_symlink()


def test_home_may_be_named_upwards_from_the_working_folder(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders / "cache")
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", "..")
    made = folders / "run" / "made"
    made.mkdir()

    with Run.start() as run:
        run.made("path", run_dir() / "made")

    assert not made.exists()


def test_a_forged_journal_deletes_nothing_outside(folders: Path) -> None:
    (folders / "outside").mkdir()
    runs = folders / "run" / "runs"
    runs.mkdir()
    lines = [{"owner": 0, "start": 0, "boot": "x"}, {"made": 1, "kind": "path", "values": [str(folders / "outside")]}]
    (runs / "00000000.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert "not below our folders" in prune()[0]
    assert (folders / "outside").is_dir()


def test_after_a_reboot_processes_are_forgotten_and_files_are_not(folders: Path) -> None:
    child = subprocess.Popen(["sleep", "60"])
    run = Run.start()
    run.made("process", child.pid)
    run.made("path", folders / "cache" / "old")
    (folders / "cache" / "old").mkdir()
    file = folders / "run" / "runs" / f"{run.id}.jsonl"
    text = file.read_text().replace(json.loads(file.read_text().splitlines()[0])["boot"], "before")
    (file.parent / "11111111.jsonl").write_text(text)
    run.gone(next(iter(run._entries.values())))

    assert prune() == [f"removed path {folders / 'cache' / 'old'}"]
    assert child.poll() is None
    child.kill()
    child.wait(60)
    run.close()


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


def test_two_prunes_at_once_undo_each_thing_once(folders: Path) -> None:
    log = folders / "log"
    end(start_child(folders, f'run.made("command", ["sh", "-c", "sleep 0.2; echo once >> {log}"])'))
    said: list[str] = []
    threads = [threading.Thread(target=lambda: said.extend(prune())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert log.read_text() == "once\n"
    assert len(said) == 1
    assert journals(folders) == []


def test_a_forked_child_undoes_nothing_of_its_parent(folders: Path) -> None:
    run = Run.start()
    kept = folders / "cache" / "kept"
    kept.mkdir()
    run.made("path", kept)

    pid = os.fork()
    if pid == 0:
        run.close()
        os._exit(0)
    os.waitpid(pid, 0)

    assert kept.is_dir()
    run.close()


def test_a_recycled_pid_is_not_killed(folders: Path) -> None:
    child = subprocess.Popen(["sleep", "60"])
    record = UndoEntry.load({"made": 1, "kind": "process", "values": [str(child.pid)], "start": 1, "boot": "other"})

    assert undo.undo(record) is False
    assert child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait(60)


def test_an_entry_equals_the_one_read_back() -> None:
    record = UndoEntry(3, "command", ("a", "b c"), (("K", "v"),))

    assert UndoEntry.load(json.loads(json.dumps(record.dump()))) == record
