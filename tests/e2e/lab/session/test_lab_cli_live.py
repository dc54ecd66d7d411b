"""The commands of the lab as a user types them, on one machine in QEMU: its life, and what kills it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sshd
from fakes import wait_for
from live_box import REASON, UNAVAILABLE

from provisioner.linux.processes import kill_all
from provisioner.machines.box.build import build_box
from provisioner.machines.daemonize import find_running
from provisioner.machines.lab import Lab, load_lab
from provisioner.machines.openssh import render_remote, render_ssh, write_known_hosts
from provisioner.machines.qemu.machine import PID_FILE
from provisioner.machines.qemu.state import load_state, save_state
from provisioner.paths import run_dir

pytestmark = pytest.mark.skipif(UNAVAILABLE, reason=REASON)

TIMEOUT = 900.0
NAME = f"cli-{os.getpid()}"


class Typed:
    """A command that was typed, in the folder of the lab."""

    def __init__(self, folder: Path, words: tuple[str, ...]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "provisioner", *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # whoever started the tests in the background had a shell that lets them ignore Ctrl-C
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.out = self.err = ""

    def end(self) -> int:
        try:
            self.out, self.err = self.process.communicate(timeout=TIMEOUT)
        finally:
            self.process.kill()
        return self.process.returncode

    def row(self) -> dict[str, object]:
        """Return what a command that was given --json says of the one machine."""
        assert self.end() in (0, 1), self.err
        (row,) = json.loads(self.out)
        return dict(row)


Type = Callable[..., Typed]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of one machine without roles, which is gone afterwards."""
    build_box()
    file = tmp_path_factory.mktemp("lab") / "lab.yaml"
    file.write_text(f"machines:\n  {NAME}: {{provider: qemu, memory: 512}}\n")
    found = load_lab(file)
    try:
        yield found
    finally:
        destroyed = Typed(file.parent, ("down", "--destroy"))
        status = destroyed.end()
        shutil.rmtree(found.directory)
        assert status == 0, destroyed.err


@pytest.fixture(scope="module")
def typed(lab: Lab) -> Type:
    """Type a command; it runs until `end`, or until the test kills it."""
    return lambda *words: Typed(lab.path.parent, words)


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Path:
    """The machine's own folder."""
    return lab.directory / NAME


def ended(command: Typed) -> Typed:
    assert command.end() == 0, command.err
    return command


def runs(machine: Path) -> bool:
    return find_running(machine / PID_FILE) is not None


def has_come_up(machine: Path) -> bool:
    made = load_state(machine / "machine.json")
    return made is not None and made.port > 0


def kill(command: Typed) -> None:
    command.process.send_signal(signal.SIGKILL)
    command.end()


def test_an_interrupted_up_stops_the_machine(typed: Type, machine: Path) -> None:
    command = typed("up")
    wait_for(lambda: runs(machine), TIMEOUT)
    command.process.send_signal(signal.SIGINT)

    assert command.end() != 0
    assert not runs(machine)
    assert "Traceback" not in command.err


def test_a_prune_ends_the_machine_of_an_up_killed_while_booting(typed: Type, machine: Path) -> None:
    command = typed("up")
    wait_for(lambda: runs(machine), TIMEOUT)
    kill(command)
    assert runs(machine)

    assert PID_FILE in ended(typed("prune")).out
    assert not runs(machine)


def test_a_prune_stops_the_machine_of_an_up_killed_while_converging(typed: Type, machine: Path) -> None:
    command = typed("up")
    wait_for(lambda: has_come_up(machine), TIMEOUT)
    kill(command)
    assert "with a new disk: its first start was interrupted" in command.err
    assert runs(machine)

    assert "stop-machine" in ended(typed("prune")).out
    assert not runs(machine)
    assert typed("status", "--json").row()["status"] == "halted"


def test_one_of_two_ups_waits_and_names_the_other(typed: Type, machine: Path) -> None:
    first, second = typed("up", "--json"), typed("up", "--json")
    rows = [first.row(), second.row()]

    assert sorted(str(row["how"]) for row in rows) == ["booted", "ran"]
    waited = second if rows[0]["how"] == "booted" else first
    other = first if waited is second else second
    assert f"wait for process {other.process.pid} (prepare machine '{NAME}') …" in waited.err
    assert runs(machine)


def test_status_does_not_ask_the_machine(typed: Type, machine: Path) -> None:
    process = find_running(machine / PID_FILE)
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)  # it answers nothing
    try:
        row = typed("status", "--json").row()
    finally:
        os.kill(process.pid, signal.SIGCONT)

    assert (row["machine"], row["provider"], row["status"], row["memory"]) == (NAME, "qemu", "running", 512)
    assert re.fullmatch("converged-[0-9a-f]{12}", row["snapshots"][0])  # type: ignore[index]
    assert isinstance(row["used"], int)


def test_ssh_passes_the_words_and_returns_the_exit_status(typed: Type) -> None:
    words = ["a b", "*", "$HOME", "'", "-x", "--lab"]

    assert ended(typed("ssh", NAME, "--", "printf", "%s|", *words)).out == "|".join([*words, ""])
    assert typed("ssh", NAME, "--", "sh", "-c", "exit 7").end() == 7


def test_a_converged_machine_is_not_changed(typed: Type) -> None:
    assert ended(typed("plan", "--check")).out == f"{NAME}: nothing to change\n"
    applied = ended(typed("apply", NAME))
    assert re.search(rf"^{NAME}: 0 changed in \d", applied.out, re.MULTILINE)
    assert "saved snapshot" not in applied.out


def test_a_users_snapshot_is_restored(typed: Type) -> None:
    ended(typed("ssh", NAME, "--", "touch", "/mine"))
    ended(typed("snapshot", NAME, "mine"))
    ended(typed("restore", NAME))
    assert typed("ssh", NAME, "--", "test", "-e", "/mine").end() == 1

    ended(typed("restore", NAME, "mine"))
    assert typed("ssh", NAME, "--", "test", "-e", "/mine").end() == 0
    refused = typed("restore", NAME, "yours")
    assert refused.end() == 1
    assert "it has no snapshot 'yours'" in refused.err
    assert refused.err.count("\n") == 1


@pytest.mark.skipif(not sshd.is_there(), reason="apt-get install openssh-server openssh-client")
def test_a_folder_name_with_ssh_tokens_works(tmp_path: Path) -> None:
    folder = tmp_path / "50%h of it"
    folder.mkdir()
    with sshd.serving(tmp_path) as server:
        address = replace(server.address, private_key=Path(shutil.copy2(server.address.private_key, folder)))
        write_known_hosts(address, folder / "known_hosts")
        argv = render_ssh(address, folder / "known_hosts", render_remote(["echo", "a  b"]), 20)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)

    assert (done.stdout, done.stderr) == ("a  b\n", "")


@pytest.mark.skipif(not sshd.is_there(), reason="apt-get install openssh-server openssh-client")
def test_another_host_key_is_refused(typed: Type, machine: Path, tmp_path: Path) -> None:
    made = load_state(machine / "machine.json")
    assert made is not None
    with sshd.serving(tmp_path) as other:
        save_state(machine / "machine.json", made.model_copy(update={"port": other.address.port}))
        try:
            planned, reached = typed("plan"), typed("ssh", NAME, "--", "true")
            assert (planned.end(), reached.end()) == (1, 255)
        finally:
            save_state(machine / "machine.json", made)

    assert re.search(rf"cannot trust '{NAME}': its host key is SHA256:\S+, expected SHA256:\S+;", planned.err)
    assert "Host key verification failed" in reached.err


def test_a_machine_is_restored_after_its_qemu_died(typed: Type, machine: Path) -> None:
    process = find_running(machine / PID_FILE)
    assert process is not None
    assert not kill_all([process])
    assert typed("status", "--json").row()["status"] == "halted"
    lost = typed("ssh", NAME)
    assert lost.end() == 1
    assert lost.err == f"provisioner: cannot reach machine '{NAME}': it does not run; provisioner up {NAME}\n"

    assert typed("up", "--json").row()["how"] == "restored"


def test_a_failed_boot_quotes_the_console_and_a_restore_still_works(typed: Type, machine: Path) -> None:
    ended(typed("down"))
    wipe = ["qemu-io", "-f", "qcow2", "-c", "write -z 0 1M", str(machine / "vmm/disk.qcow2")]
    subprocess.run(wipe, check=True, timeout=300, capture_output=True)
    row = typed("up", "--no-apply", "--json").row()

    assert row["state"] == "failed"
    assert re.search(r"QEMU has ended; its console ends: .+", str(row["why"]))
    assert not runs(machine)
    assert typed("up", "--json").row()["how"] == "restored"


def test_a_truncated_disk_is_recreated(typed: Type, machine: Path) -> None:
    ended(typed("down"))
    disk = machine / "vmm/disk.qcow2"
    os.truncate(disk, disk.stat().st_size // 2)
    command = typed("up", "--json")

    assert command.row()["how"] == "booted"
    assert "with a new disk: its disk is damaged" in command.err


def test_destroying_leaves_no_disk_and_no_journal(typed: Type, machine: Path) -> None:
    assert ended(typed("down", "--destroy")).out == f"{NAME}: destroyed\n"

    assert not (machine / "vmm").exists()
    assert not any(NAME in file.read_text() for file in (run_dir() / "runs").glob("*.jsonl"))
