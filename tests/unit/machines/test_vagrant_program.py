"""A fake Vagrant is called with a machine's name, a deadline and no input."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from vagrant_answers import CONFIG, STATUS

from provisioner import deadlines, progress
from provisioner.errors import IsolationError
from provisioner.journal.prune import prune
from provisioner.journal.run import Run
from provisioner.linux.processes import read_process, wait_gone
from provisioner.machines.daemonize import load_process
from provisioner.machines.vagrant import program as vagrant_program
from provisioner.machines.vagrant.program import VagrantProgram


def allow(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    for name, value in seconds.items():
        monkeypatch.setitem(deadlines._SECONDS, name.replace("_", "."), value)


def test_every_call_names_its_machine(program: VagrantProgram, fake_vagrant: Callable[[str], Path]) -> None:
    calls = fake_vagrant("cat <<'END'\n" + STATUS + CONFIG + "1,web,ui,detail,one\nEND")
    program.up("web")
    program.halt("web")
    program.destroy("web")
    program.save_snapshot("web", "one")
    program.restore_snapshot("web", "one")
    program.delete_snapshot("web", "one")

    assert (program.state("web"), program.ssh_config("web").port, program.snapshots("web")) == (
        "running",
        2222,
        ["one"],
    )
    assert calls.read_text().splitlines() == [
        "up web --no-provision --provider=libvirt",
        "halt web",
        "destroy web --force",
        "snapshot save web one --force",
        "snapshot restore web one --no-provision",
        "snapshot delete web one",
        "status web --machine-readable",
        "ssh-config web",
        "snapshot list web --machine-readable",
    ]


def test_the_users_settings_do_not_reach_vagrant(
    program: VagrantProgram, fake_vagrant: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("VAGRANT_HOME", "VAGRANT_LOG", "VAGRANT_VAGRANTFILE", "VAGRANT_FORCE_COLOR"):
        monkeypatch.setenv(name, "/users/own")
    fake_vagrant(f'env >{tmp_path}/env; pwd >{tmp_path}/pwd; read -r answer && echo "$answer" >{tmp_path}/answer; true')
    program.halt("web")
    env = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)

    assert "/users/own" not in env.values()
    assert env["VAGRANT_HOME"] == str(program.directory / "home")
    assert env["VAGRANT_CWD"] == str(program.directory)
    assert env["PYTEST_ISOLATION_LAB"] == str(program.directory / "lab.json")
    assert (program.directory / "Vagrantfile").read_bytes() == vagrant_program.VAGRANTFILE.read_bytes()
    assert (tmp_path / "pwd").read_text() == "/\n"
    assert not (tmp_path / "answer").exists()  # a question gets no answer


def test_the_output_of_a_failed_call_is_kept(program: VagrantProgram, fake_vagrant: Callable[[str], Path]) -> None:
    fake_vagrant("echo '==> web: Starting domain.'; echo 'Something\nis wrong.' >&2; exit 3")

    with pytest.raises(IsolationError, match=r"^cannot start machine 'web': Vagrant: Something is wrong\.$") as caught:
        program.up("web")
    assert caught.value.log == "Something\nis wrong.\n"
    log = program.log.read_text()
    assert "vagrant up web --no-provision --provider=libvirt\n==> web: Starting domain.\nSomething\nis wrong.\n" in log


def test_an_answer_that_does_not_name_the_machine_is_an_error(
    program: VagrantProgram, fake_vagrant: Callable[[str], Path]
) -> None:
    fake_vagrant("echo 1,db,state,running")

    with pytest.raises(IsolationError, match="cannot read the state of machine 'web': Vagrant names none"):
        program.state("web")
    with pytest.raises(IsolationError, match="cannot read the address of machine 'web': Vagrant names none"):
        program.ssh_config("web")


def test_each_phase_is_shown_once(
    program: VagrantProgram, fake_vagrant: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_vagrant(
        "echo '==> web: Starting domain.'; echo '==> db: Other.'; sleep 0.3; echo '==> web: Waiting...'; sleep 0.3"
    )
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    lines: list[str] = []
    before = progress.set_listener(lines.append)
    try:
        program.up("web")
    finally:
        progress.set_listener(before)

    assert [line for line in lines if line.endswith("…")] == ["vagrant: starting domain …", "vagrant: waiting …"]


def test_a_vagrant_that_does_not_end_is_killed_with_its_children(
    program: VagrantProgram, fake_vagrant: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_vagrant(f"trap '' TERM; sleep 600 & echo $! >{tmp_path}/child; echo so far >&2; wait")
    allow(monkeypatch, vagrant_call=1.0)
    started = time.monotonic()

    with pytest.raises(IsolationError, match="cannot stop machine 'web': Vagrant: no end after 1 s; on a ") as caught:
        program.halt("web")
    assert time.monotonic() - started < 30
    assert caught.value.log == "so far\n"
    assert read_process(int((tmp_path / "child").read_text())) is None
    assert not (program.directory / "vagrant.pid").exists()


def test_waiting_for_an_address_has_the_deadline_of_a_boot(
    program: VagrantProgram, fake_vagrant: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_vagrant("echo '==> web: Waiting for domain to get an IP address...'; exec sleep 600")
    allow(monkeypatch, machine_boot=1.0)

    with pytest.raises(IsolationError, match="cannot start machine 'web': Vagrant: it has no address after 1 s"):
        program.up("web")


def test_an_error_of_watch_ends_vagrant(
    program: VagrantProgram, fake_vagrant: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_vagrant("exec sleep 600")
    monkeypatch.setattr(vagrant_program, "WATCH_INTERVAL", 0.05)

    def watch() -> None:
        raise IsolationError("cannot start machine 'web': dead")

    with pytest.raises(IsolationError, match="cannot start machine 'web': dead"):
        program.up("web", watch)
    assert load_process(program.directory / "vagrant.pid") is None


def test_a_prune_ends_the_vagrant_of_a_killed_caller(
    tmp_path: Path, fake_vagrant: Callable[[str], Path], run: Run
) -> None:
    fake_vagrant(f"echo $$ >{tmp_path}/pid; exec sleep 600")
    code = (
        "import sys; from pathlib import Path; from provisioner.journal.run import Run\n"
        "from provisioner.machines.vagrant.program import VagrantProgram\n"
        "VagrantProgram(Path(sys.argv[1]), Run.start()).up('web')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lab")], stdin=subprocess.DEVNULL) as caller:
        try:
            until = time.monotonic() + 30
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
                assert time.monotonic() < until
                time.sleep(0.02)
        finally:
            caller.send_signal(signal.SIGKILL)
    vagrant = read_process(int((tmp_path / "pid").read_text()))
    assert vagrant is not None

    said = prune()
    assert wait_gone([vagrant], 5) == []
    assert not [line for line in said if line.startswith("cannot")]


def test_a_missing_vagrant_is_an_error_that_offers_provider_qemu(
    program: VagrantProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vagrant_program, "find_program", lambda name: None)

    with pytest.raises(IsolationError, match=r"^cannot call Vagrant: it is not installed; apt-get .*`provider: qemu`"):
        program.up("web")
    with pytest.raises(IsolationError, match="it is not installed"):
        program.state("web")


def test_a_missing_python_vagrant_is_an_error_that_names_the_extra(
    program: VagrantProgram, fake_vagrant: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_vagrant("true")
    monkeypatch.setitem(sys.modules, "vagrant", None)

    with pytest.raises(IsolationError, match=r"python-vagrant is not installed; pip install 'pytest-isolation\[lab\]'"):
        program.up("web")
