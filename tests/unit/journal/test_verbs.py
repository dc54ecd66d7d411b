"""provisioner.cli.undo: a journal names verbs, and the journals that name modules instead are still undone."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest

from provisioner.cli.undo import VERBS, run_verb
from provisioner.errors import IsolationError
from provisioner.journal.entry import UndoEntry, Verb
from provisioner.journal.prune import prune
from provisioner.journal.read import read_journal
from provisioner.journal.run import Run
from provisioner.linux.processes import boot_id
from provisioner.paths import run_dir
from provisioner.probe.build import probe_binary

# Written by the last version that put `python -m MODULE` into its journals (commit 7d2a29d), one entry of each kind;
# the home folder, the boot and the interpreter are replaced.
RECORDED = Path(__file__).parents[2] / "data" / "journal_with_module_paths.jsonl"
CANARIES = ("123456789", "isolation-0123abcd")  # as in the journal
Start = Callable[[Path], subprocess.Popen[bytes]]
IDENTIFY = 'cat "/proc/$$/stat" /proc/sys/kernel/random/boot_id >"$0.new" && mv "$0.new" "$0" && exec sleep 600'
FAKE_VAGRANT = """\
#!/bin/sh
echo "$*" >>'{log}'
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    built = probe_binary().path.parent
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / built.name).symlink_to(built)
    return tmp_path


@pytest.fixture
def recorded(home: Path) -> str:
    return RECORDED.read_text().replace("@HOME@", str(home)).replace("@BOOT@", boot_id())


@pytest.fixture
def sleeper() -> Iterator[Start]:
    """Starts a process that writes its identity into a file, as machines' processes do."""
    with contextlib.ExitStack() as after:

        def start(file: Path) -> subprocess.Popen[bytes]:
            file.parent.mkdir(parents=True, exist_ok=True)
            process = subprocess.Popen(["sh", "-c", IDENTIFY, str(file)])
            after.callback(process.wait, 60)
            after.callback(process.kill)
            while not file.exists():
                assert process.poll() is None
            return process

        yield start


def make_canaries(file: Path) -> None:
    argv = [str(probe_binary().path), "canaries", "hold", *CANARIES, str(file)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"made\n"
        holder.kill()


def canaries() -> str:
    argv = [str(probe_binary().path), "canaries", "look", *CANARIES, "/nowhere"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def entry(verb: str, *arguments: str) -> UndoEntry:
    return UndoEntry(1, "verb", (verb, *arguments))


def test_each_verb_of_the_format_has_a_function() -> None:
    assert sorted(VERBS) == sorted(get_args(Verb))


def test_verb_is_recorded_by_name_and_undone_by_the_command_line(home: Path, sleeper: Start) -> None:
    file = home / "identity"
    process = sleeper(file)
    with Run.start() as run:
        run.made("verb", ["end-process", str(file)])
        text = (run_dir() / "runs" / f"{run.id}.jsonl").read_text()
        removed = run.close()

    assert '"kind": "verb", "values": ["end-process", ' in text
    assert sys.executable not in text
    assert removed == [f"undone by end-process {file}"]
    assert process.wait(60) == -9


def test_unknown_verb_is_not_recorded(home: Path) -> None:
    with Run.start() as run, pytest.raises(IsolationError, match="no such verb"):
        run.made("verb", ["end-everything"])


def test_verb_of_a_later_version_is_no_record() -> None:
    with pytest.raises(ValueError, match="unknown verb 'end-everything'"):
        entry("end-everything")


def test_arguments_that_look_like_options_reach_the_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        "provisioner.hosts.ssh_undo.run_over_ssh", lambda address, name, argv: seen.append((address, name, *argv))
    )
    monkeypatch.setattr(sys, "argv", ["undo", "run-over-ssh", "{}", "web", "rm", "-rf", "--", "x"])
    from provisioner.cli.undo import main

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 0
    assert seen == [("{}", "web", "rm", "-rf", "--", "x")]


def test_modules_in_old_journals_become_verbs(recorded: str, home: Path) -> None:
    entries = read_journal(io.BytesIO(recorded.encode())).entries
    others = [entry.kind for entry in entries if entry.kind != "verb"]
    verbs = [entry.values for entry in entries if entry.kind == "verb"]
    address = verbs[-1][1]

    assert others == ["command", "path", "process", "cgroup", "netns", "mount"]
    assert verbs[:9] == [
        ("delete-canaries", "123456789", "-"),
        ("delete-canaries", "0", "isolation-0123abcd"),
        ("end-process", f"{home}/lab/libvirtd.pid"),
        ("end-process", f"{home}/lab/web/vmm.pid"),
        ("stop-machine", f"{home}/lab.yaml", "web"),
        ("reset-libvirt-machine", f"{home}/lab", "db", "halted"),
        ("reset-libvirt-machine", f"{home}/lab", "db", "absent"),
        ("reset-vagrant-machine", f"{home}/lab", "app", "virtualbox", "halted"),
        ("reset-vagrant-machine", f"{home}/lab", "app", "virtualbox", "absent"),
    ]
    assert [values[:5] for values in verbs[9:]] == [
        ("run-over-ssh", address, "web", "env", "DOCKER_HOST=unix:///run/docker.sock"),
        ("run-over-ssh", address, "web", "rm", "-rf"),
        ("run-over-ssh", address, "web", "sh", "-c"),
    ]


def test_old_journal_is_undone(recorded: str, home: Path, sleeper: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test makes what needs no root: processes, a folder, canaries, and a Vagrant that writes down its calls."""
    make_canaries(home / "canary")
    processes = [sleeper(home / "lab/libvirtd.pid"), sleeper(home / "lab/web/vmm.pid")]
    (home / "cache" / "folder").mkdir(parents=True)
    (home / "lab" / "vagrant").mkdir()
    vagrant = home / "bin" / "vagrant"
    vagrant.parent.mkdir()
    vagrant.write_text(FAKE_VAGRANT.format(log=home / "vagrant"))
    vagrant.chmod(0o755)
    monkeypatch.setenv("PATH", f"{vagrant.parent}{os.pathsep}{os.environ['PATH']}")
    journal = run_dir() / "runs" / "0123abcd.jsonl"
    journal.parent.mkdir(mode=0o700)
    journal.write_text(recorded)

    lines = prune()

    assert not [line for line in lines if line.startswith("cannot")]
    assert not journal.exists()
    assert canaries() == '{"segment":"(ENOENT)","queue":"(ENOENT)","file":"(ENOENT)"}'
    for process in processes:
        assert process.wait(60) == -9
    assert not (home / "cache" / "folder").exists()
    assert (home / "log").read_text() == "command\n"
    assert (home / "vagrant").read_text().splitlines() == ["destroy app --force", "halt app"]


@pytest.mark.parametrize(
    ("words", "function", "arguments"),
    [
        (["stop-machine", "/l/lab.yaml", "web"], "machines.stop.stop_machine", (Path("/l/lab.yaml"), "web")),
        (
            ["reset-libvirt-machine", "/l", "db", "absent"],
            "machines.libvirt.domain.reset_machine",
            (Path("/l"), "db", "absent"),
        ),
        (
            ["reset-vagrant-machine", "/l", "app", "virtualbox", "halted"],
            "machines.vagrant.other_providers.reset_machine",
            (Path("/l"), "app", "virtualbox", "halted"),
        ),
    ],
)
def test_verb_calls_its_function(
    words: list[str], function: str, arguments: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(f"provisioner.{function}", lambda *given: calls.append(given))

    assert run_verb(words) == 0
    assert calls == [arguments]


def test_wrong_arguments_are_an_error() -> None:
    with pytest.raises(IsolationError, match="cannot undo 'stop-machine': missing a required argument: 'name'"):
        run_verb(["stop-machine", "/l/lab.yaml"])


def test_canaries_end_with_the_kernel_and_other_verbs_outlive_it() -> None:
    assert not entry("delete-canaries", "7", "isolation-x").outlives_boot()
    assert entry("stop-machine", "/l/lab.yaml", "web").outlives_boot()


def test_undo_without_a_verb_is_one_line() -> None:
    with pytest.raises(IsolationError, match="cannot undo '': unknown verb"):
        run_verb([])
