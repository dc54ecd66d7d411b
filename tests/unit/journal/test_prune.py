"""provisioner.journal.prune: the next prune undoes what a killed run made, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from fakes_journal import journals

from provisioner.journal.prune import prune
from provisioner.journal.run import Run

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


def test_prune_after_a_sigkill_removes_exactly_what_was_made(home: Path) -> None:
    mine, theirs = home / "cache" / "mine", home / "cache" / "theirs"
    theirs.mkdir()
    body = f"""
path = Path({str(mine)!r}); run.made("path", path); (path / "deep").mkdir(parents=True)
other = Path({str(home / "cache" / "undone")!r}); run.gone(run.made("path", other)); other.mkdir()
sleeper = subprocess.Popen(["sleep", "60"]); run.made("process", sleeper.pid)
Path({str(home / "pid")!r}).write_text(str(sleeper.pid))
"""
    child = start_child(home, body)
    sleeper = int((home / "pid").read_text())

    assert prune() == []
    assert mine.is_dir()
    end(child)
    said = prune()

    assert said == [f"removed process {sleeper}", f"removed path {mine}"]
    assert not mine.exists()
    assert theirs.is_dir()
    assert (home / "cache" / "undone").is_dir()
    assert not os.path.exists(f"/proc/{sleeper}") or " Z " in Path(f"/proc/{sleeper}/stat").read_text()
    assert journals(home) == []
    assert prune() == []


def test_prune_does_not_touch_a_living_run(home: Path) -> None:
    kept = home / "cache" / "kept"
    kept.mkdir()
    run = Run.start()
    run.made("path", kept)

    assert prune() == []
    assert kept.is_dir()
    run.close()
    assert not kept.exists()


def test_what_cannot_be_undone_stays_for_the_next_prune(home: Path) -> None:
    flag = home / "flag"
    body = f"""
run.made("path", {str(home / "cache" / "x")!r})
run.made("command", ["sh", "-c", "test -e {flag} || {{ echo it is busy >&2; exit 1; }}"])
"""
    end(start_child(home, body))
    (home / "cache" / "x").touch()

    first = prune()
    second = prune()
    flag.touch()
    third = prune()

    assert first[0].startswith("removed path")
    assert first[1].endswith(": it is busy")
    assert len(second) == 1
    assert third[0].startswith("undone by sh -c")
    assert journals(home) == []


def test_a_forged_journal_deletes_nothing_outside(home: Path) -> None:
    (home / "outside").mkdir()
    runs = home / "run" / "runs"
    runs.mkdir()
    lines = [{"owner": 0, "start": 0, "boot": "x"}, {"made": 1, "kind": "path", "values": [str(home / "outside")]}]
    (runs / "00000000.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert "not below our folders" in prune()[0]
    assert (home / "outside").is_dir()


def test_after_a_reboot_processes_are_forgotten_and_files_are_not(home: Path) -> None:
    child = subprocess.Popen(["sleep", "60"])
    run = Run.start()
    run.made("process", child.pid)
    run.made("path", home / "cache" / "old")
    (home / "cache" / "old").mkdir()
    file = home / "run" / "runs" / f"{run.id}.jsonl"
    text = file.read_text().replace(json.loads(file.read_text().splitlines()[0])["boot"], "before")
    (file.parent / "11111111.jsonl").write_text(text)
    run.gone(next(iter(run._entries.values())))

    assert prune() == [f"removed path {home / 'cache' / 'old'}"]
    assert child.poll() is None
    child.kill()
    child.wait(60)
    run.close()


def test_two_prunes_at_once_undo_each_thing_once(home: Path) -> None:
    log = home / "log"
    end(start_child(home, f'run.made("command", ["sh", "-c", "sleep 0.2; echo once >> {log}"])'))
    said: list[str] = []
    threads = [threading.Thread(target=lambda: said.extend(prune())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert log.read_text() == "once\n"
    assert len(said) == 1
    assert journals(home) == []
