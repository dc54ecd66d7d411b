"""How QEMU is told to boot a box, how it is asked, waited for and ended, without one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from provisioner import progress
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.machines.box.build import Box
from provisioner.machines.lock import only_one
from provisioner.machines.qemu.command import Hardware, drop_privileges, render_cmdline, render_command
from provisioner.machines.qemu.disk import Disk, identify
from provisioner.machines.qemu.machine import QemuMachine, read_end
from provisioner.machines.qemu.qmp import Qmp
from provisioner.machines.qemu.state import Made
from provisioner.machines.qemu.vmm import end_vmm, read_vmm, start_vmm
from provisioner.machines.snapshots import snapshot_name
from provisioner.machines.wait_ssh import await_banner


@dataclass(frozen=True)
class Spec:
    name: str = "debian12"
    cpus: int = 2
    memory: int = 1024
    cgroup: Literal["v1", "v2"] = "v2"
    driver: Literal["kvm", "qemu"] | None = "qemu"


HARDWARE = Hardware(2, 1024, "v2", "tcg", "/usr/bin/qemu-system-x86_64", "1")


@pytest.fixture
def box(tmp_path: Path) -> Box:
    folder = tmp_path / "box"
    folder.mkdir()
    files = {name: folder / name for name in ("disk", "kernel", "initrd", "private_key")}
    for path in files.values():
        path.touch()
    return Box(
        name="debian12",
        hash="abc",
        directory=folder,
        cmdline="quiet",
        user="root",
        host_key="ssh-ed25519 AAAA",
        **files,
    )


@pytest.fixture
def machine(tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch) -> Iterator[QemuMachine]:
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path / "home"))
    with Run.start() as run:
        yield QemuMachine(Spec(), box, tmp_path / "machine", run)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Path]:
    """A folder whose hypervisor is sleep(1)."""
    start_vmm(["sleep", "600"], tmp_path, tmp_path)
    yield tmp_path
    end_vmm(tmp_path)


def value_of(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]


def test_the_guest_is_reached_on_a_port_that_the_kernel_chooses(box: Box) -> None:
    argv = render_command(Spec(), box, HARDWARE)

    assert value_of(argv, "-netdev").endswith("hostfwd=tcp:127.0.0.1:0-:22")
    assert value_of(argv, "-sandbox").startswith("on,")
    assert "-loadvm" not in argv


def test_a_snapshot_is_loaded_instead_of_a_boot(box: Box) -> None:
    assert value_of(render_command(Spec(), box, HARDWARE, "clean+12345678"), "-loadvm") == "clean+12345678"


def test_cgroup_v1_is_one_word_more(box: Box) -> None:
    v1, v2 = (render_cmdline(Spec(cgroup=mode), box) for mode in ("v1", "v2"))

    assert v1 == f"{v2} systemd.unified_cgroup_hierarchy=0"
    assert "systemd.hostname=debian12" in v2


@pytest.mark.parametrize(
    "change",
    [{"cpus": 1}, {"memory": 512}, {"cgroup": "v1"}, {"accelerator": "kvm"}, {"version": "2"}],
    ids=lambda change: next(iter(change)),
)
def test_other_hardware_has_other_snapshots(change: dict[str, object]) -> None:
    assert replace(HARDWARE, **change).mark != HARDWARE.mark  # type: ignore[arg-type]


def test_privileges_are_dropped_with_all_groups() -> None:
    assert drop_privileges("tcg", None) == []
    assert "--clear-groups" in drop_privileges("tcg", 65534)


def test_equal_contents_have_one_name_and_parts_do_not_flow_together() -> None:
    assert snapshot_name("a", "b", "c") == snapshot_name("a", "b", "c")
    assert snapshot_name("a", "b", "c") != snapshot_name("ab", "", "c")


def test_a_hypervisor_outlives_its_starter_and_is_known_again(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from provisioner.machines.qemu.vmm import *; p = Path({str(tmp_path)!r}); "
    started = subprocess.run(
        [sys.executable, "-c", code + "print(start_vmm(['sleep', '600'], p, p).pid)"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = read_vmm(tmp_path)
    try:
        assert found is not None
        assert found.pid == int(started.stdout)
        assert os.getsid(found.pid) == found.pid
    finally:
        end_vmm(tmp_path)
    assert read_vmm(tmp_path) is None


def test_a_number_that_another_process_got_is_not_ours(sleeper: Path) -> None:
    pid_file = sleeper / "vmm.pid"
    text = pid_file.read_text()
    other = text.replace(text.split()[21], "1", 1)  # another start time
    pid_file.write_text(other)

    assert read_vmm(sleeper) is None
    pid_file.write_text(text)


def test_the_journal_can_end_it_from_another_process(sleeper: Path) -> None:
    subprocess.run([sys.executable, "-m", "provisioner.machines.qemu.vmm", str(sleeper)], timeout=300, check=True)

    assert read_vmm(sleeper) is None


def test_a_machine_never_made_is_absent(machine: QemuMachine) -> None:
    assert (machine.status(), machine.snapshots(), machine.vmm_pid(), machine.console()) == ("absent", [], None, "")
    machine.down()
    with pytest.raises(IsolationError, match="does not run; provisioner up debian12"):
        machine.ssh()


def test_a_machine_whose_box_is_gone_is_seen_and_stopped_but_not_started(machine: QemuMachine) -> None:
    bare = QemuMachine(machine.spec, None, machine.directory, machine._run)

    assert (bare.status(), bare.snapshots()) == ("absent", [])
    bare.down()
    with pytest.raises(IsolationError, match="cannot start machine 'debian12': its box is not built; provisioner up"):
        bare.up()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "it does not run"),  # or nobody knows where
        ({"port": 0}, "it does not run"),  # it is being started
        ({"hash": "other", "port": 2222}, "it runs from another box than it has now; provisioner up debian12 begins"),
    ],
)
def test_one_that_runs_is_reached_only_as_what_it_is(
    machine: QemuMachine, made: dict[str, object] | None, message: str
) -> None:
    machine.directory.mkdir()
    start_vmm(["sleep", "600"], machine.directory, machine.directory)
    assert machine.box is not None
    try:
        empty_disk(machine._disk, machine.box)
        if made is None:
            (machine.directory / "machine.json").write_bytes(b"\xff{garbage")
        else:
            box = str(made.pop("hash", machine.box.hash))
            machine._disk.remember(Made(box=box, base=identify(machine.box.disk), **made))  # type: ignore[arg-type]
        with pytest.raises(IsolationError, match=message):
            machine.ssh()
    finally:
        end_vmm(machine.directory)


def test_a_snapshots_name_cannot_be_a_command(machine: QemuMachine) -> None:
    with pytest.raises(IsolationError, match="cannot name a snapshot 'a b'"):
        machine._tag("a b")


def empty_disk(disk: Disk, box: Box) -> None:
    disk.folder.mkdir()
    disk.path.touch()
    disk.remember(Made(box=box.hash, base=identify(box.disk)))


def test_a_qemu_that_does_not_start_is_quoted(machine: QemuMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.machines.qemu.command.find_program", lambda name: "/bin/false")
    monkeypatch.setattr(
        "provisioner.machines.qemu.machine.render_command",
        lambda *args: ["sh", "-c", "echo no such option >&2; exit 1"],
    )
    monkeypatch.setattr(Disk, "begin_anew", empty_disk)

    with pytest.raises(IsolationError, match="cannot start machine 'debian12': QEMU: no such option"):
        machine.up()
    assert read_vmm(machine.directory) is None


def test_the_end_of_a_console_is_plain_text_and_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "console").write_bytes(b"\x1b[0;1mOK\x1b[0m\r\nend\n")
    (tmp_path / "link").symlink_to(tmp_path / "console")

    assert read_end(tmp_path / "console", 100) == "OK\nend\n"
    assert read_end(tmp_path / "console", 4) == "end\n"
    assert read_end(tmp_path / "link", 100) == ""


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_a_silent_port_is_asked_seldom(server: socket.socket) -> None:
    asked = 0

    def answer() -> None:
        nonlocal asked
        while asked < 3:
            connection, _ = server.accept()
            asked += 1
            if asked == 3:
                connection.sendall(b"SSH-2.0-test\r\n")
            connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    started = time.monotonic()

    assert await_banner("127.0.0.1", server.getsockname()[1], started + 30, lambda: True)
    assert time.monotonic() - started > 1.3  # two pauses of 0.7 s
    thread.join()


def test_nobody_left_to_answer_is_not_waited_for(server: socket.socket) -> None:
    started = time.monotonic()

    assert not await_banner("127.0.0.1", server.getsockname()[1], started + 60, lambda: False)
    assert time.monotonic() - started < 30


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Path]:
    """A QMP server that refuses whatever is not a monitor command, in a folder too deep for sun_path."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    here = os.open(folder, os.O_PATH)
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"/proc/self/fd/{here}/qmp.sock")
    server.listen()

    def serve() -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rwb", buffering=0) as stream:
            stream.write(b'{"QMP": {}}\n')
            for line in stream:
                command = json.loads(line)["execute"]
                stream.write(b'{"event": "RESUME"}\n')
                known = {"qmp_capabilities": {}, "human-monitor-command": "a\r\nb"}
                answer = {"return": known[command]} if command in known else {"error": {"desc": "no such"}}
                stream.write(json.dumps(answer).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield folder / "qmp.sock"
    thread.join(10)
    server.close()
    os.close(here)


def test_qmp_passes_events_over_and_says_what_is_refused(monitor: Path) -> None:
    with Qmp(monitor, 10) as qmp:
        assert qmp.monitor("info usernet") == "a\nb"
        with pytest.raises(IsolationError, match="cannot ask QEMU for 'nosuch': no such"):
            qmp.execute("nosuch")


def test_a_second_one_waits_and_is_told_for_whom(tmp_path: Path) -> None:
    lines: list[str] = []
    before = progress.set_listener(lines.append)
    held = threading.Event()

    def hold() -> None:
        with only_one(tmp_path, "start machine 'a'", 10):
            held.set()
            time.sleep(progress.PATIENCE + 0.5)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(60)
        with only_one(tmp_path, "stop machine 'a'", 30):
            pass
    finally:
        thread.join()
        progress.set_listener(before)
    assert f"wait for process {os.getpid()}, which is to start machine 'a' …" in lines


def test_one_that_never_ends_is_named_in_the_error(tmp_path: Path) -> None:
    with (
        only_one(tmp_path, "start machine 'a'", 10),
        pytest.raises(IsolationError, match=r"cannot stop machine 'a': process .* to start machine 'a' holds it"),
        only_one(tmp_path, "stop machine 'a'", 0.1),
    ):
        pass
