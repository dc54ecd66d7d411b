"""provisioner.doctor.system and trial: what looks may use of this machine, and that none of it stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.doctor import trial
from provisioner.doctor.system import LocalSystem, as_root
from provisioner.doctor.trial import NotTried, Trials
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.paths import HOME
from provisioner.runtimes.load import load_runtime


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME, str(tmp_path))
    return tmp_path


def test_what_a_look_makes_is_known_to_the_journal_and_goes_with_the_system(home: Path) -> None:
    with LocalSystem() as system:
        folder = system.folder()
        (folder / "file").write_text("x")
        journals = list((home / "run" / "runs").glob("*.jsonl"))
        assert [str(folder) in path.read_text() for path in journals] == [True]

    assert [path for path in (home / "run").rglob("*") if path.name != "runs"] == []


def test_after_its_end_nothing_can_be_made() -> None:
    system = LocalSystem()
    system.close()

    with pytest.raises(IsolationError, match="the report is finished"):
        system.folder()


def test_a_look_that_makes_nothing_leaves_no_journal(home: Path) -> None:
    with LocalSystem() as system:
        system.read("/proc/version")

    assert list(home.iterdir()) == []


def test_a_file_that_is_not_there_is_none_and_one_that_cannot_be_read_is_an_error(home: Path) -> None:
    (home / "file").write_text("text")
    system = LocalSystem()

    assert system.read(str(home / "file")) == "text"
    assert system.read(str(home / "nothing")) is None
    with pytest.raises(OSError, match="directory"):
        system.read(str(home))


def test_a_uid_without_a_name_is_told_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)

    assert LocalSystem().user == str(os.geteuid())


@pytest.mark.parametrize(("root", "typed"), [(True, "reboot"), (False, "sudo reboot")])
def test_a_command_is_shown_as_this_user_types_it(root: bool, typed: str) -> None:
    system = LocalSystem()
    system.root = root

    assert as_root(system, "reboot") == typed


def test_a_trial_fetches_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise AssertionError("fetched")

    monkeypatch.setattr("provisioner.images.kernel.fetch_packages", fail)
    with Run.start() as run, pytest.raises(NotTried) as caught:
        Trials(run, fail).hello(load_runtime("qemu"))

    assert caught.value.hint == "provisioner kernel"


def test_without_a_probe_nothing_is_tried_and_it_is_asked_for_once() -> None:
    asked = []

    def none() -> None:
        asked.append(1)
        raise IsolationError("cannot build the probe: no C compiler", "apt-get install musl-tools")

    with Run.start() as run:
        trials = Trials(run, none)
        for _ in range(2):
            with pytest.raises(NotTried, match="not tried: cannot build the probe: no C compiler"):
                trials.hello(load_runtime("unshare"))
        trials.close()

    assert asked == [1]


def test_closing_waits_for_a_trial_under_way_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "deadline", lambda name: 0.05)
    with Run.start() as run:
        trials = Trials(run, lambda: pytest.fail("not asked"))
        trials._going = 1
        trials.close()


def test_all_looks_are_found_without_the_extra_lab() -> None:
    forbidden = {"fabric", "paramiko", "vagrant", "testinfra", "pytest", "pytest_isolation"}
    code = "import sys; from provisioner.doctor.look import find_looks; find_looks(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)

    assert {name.partition(".")[0] for name in done.stdout.split()} & forbidden == set()


def test_the_probe_is_had_without_fetching_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise AssertionError("fetched")

    monkeypatch.setattr("provisioner.probe.compilers.fetch_packages", fail)
    monkeypatch.setattr("provisioner.probe.build._copy_prebuilt", lambda *args: "")
    monkeypatch.setattr("shutil.which", lambda *args, **options: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(IsolationError, match="no C compiler"):
        LocalSystem().probe()
