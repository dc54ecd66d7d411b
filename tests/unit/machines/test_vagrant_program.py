"""What Vagrant says is read, and a fake one is called, ended in time and never asked for anything but one machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner import deadlines, progress
from provisioner.errors import IsolationError
from provisioner.journal.run import Run, prune
from provisioner.linux.processes import read_process, wait_gone
from provisioner.machines.box.build import Box
from provisioner.machines.daemonize import load_process
from provisioner.machines.lab import MachineSpec
from provisioner.machines.libvirt.dhcp import reserve_address, sees_lease
from provisioner.machines.libvirt.domain import Domain
from provisioner.machines.vagrant import program as vagrant_program
from provisioner.machines.vagrant.boxes import add_own, box_name, link_known
from provisioner.machines.vagrant.lab_file import (
    hardware_address,
    hardware_mark,
    render_cmdline,
    render_known,
    render_own,
    write_entry,
)
from provisioner.machines.vagrant.login import Login, learn_login, load_login, parse_keyscan
from provisioner.machines.vagrant.machine import VagrantMachine
from provisioner.machines.vagrant.other_providers import ElsewhereMachine
from provisioner.machines.vagrant.output import (
    SshConfig,
    explain,
    parse_lines,
    parse_phase,
    parse_snapshots,
    parse_ssh_config,
    parse_state,
)
from provisioner.machines.vagrant.program import VagrantProgram
from provisioner.machines.vagrant.state import Made, load_made, made_file, save_made, used_boxes

STATUS = """\
1795500000,,ui,info,Current machine states:
1795500000,web,provider-name,libvirt
1795500000,db,provider-name,libvirt
1795500000,db,state,shutoff
/usr/lib/ruby/x.rb:3: warning: already initialized constant
1795500000,web,state,running
1795500000,web,brand-new-kind
1795500000,web,brand-new-kind,a,b,c,d
1795500000,db,state-human-short,shutoff
1795500000,,ui,info,one%!(VAGRANT_COMMA) two\\nthree
cut,web,state,nonsense
"""
CONFIG = """\
Host db
  HostName 10.0.0.9
  User nobody
Host web
  HostName 192.168.121.75
  User vagrant
  Port 2222
  UserKnownHostsFile /dev/null
  IdentityFile "/home/a b/key"
  IdentityFile /second
  BrandNew yes
Host other
  IdentityFile /third
"""
KEY = "ssh-ed25519 AAAAC3Nz"


def test_interleaved_lines_belong_to_their_machines() -> None:
    assert (parse_state(STATUS, "web"), parse_state(STATUS, "db")) == ("running", "shutoff")
    assert parse_state(STATUS, "nobody") is None
    assert parse_state("", "web") is None


def test_unknown_kinds_and_other_lines_are_passed_over() -> None:
    lines = parse_lines(STATUS)

    assert lines[-1].data[1:] == ("one, two\nthree",)
    assert all(line.kind != "nonsense" for line in lines)
    assert sum(line.kind == "brand-new-kind" for line in lines) == 2


def test_a_login_has_all_of_its_machines_keys_and_none_of_anothers() -> None:
    assert SshConfig("192.168.121.75", 2222, "vagrant", ("/home/a b/key", "/second")) == parse_ssh_config(CONFIG, "web")
    assert SshConfig("10.0.0.9", 22, "nobody", ()) == parse_ssh_config(CONFIG, "db")
    assert parse_ssh_config(CONFIG, "other") is None
    assert parse_ssh_config("Host web\n  HostName a\n  Port none\n", "web") is None


def test_snapshots_are_names_and_not_the_sentence_that_there_are_none() -> None:
    some = "1,web,ui,output,\n1,web,ui,detail,one+1a2b\n1,db,ui,detail,other\n1,web,ui,detail,two\n"
    none = "1,web,ui,output,No snapshots have been taken yet!\n1,web,ui,detail,You can take a snapshot using `x`.\n"

    assert parse_snapshots(some, "web") == ["one+1a2b", "two"]
    assert parse_snapshots(none, "web") == []


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        (
            "==> web: Creating image (snapshot of base box volume).",
            "vagrant: creating image (snapshot of base box volume)",
        ),
        ("==> web: Machine booted and ready!", "vagrant: machine booted and ready!"),
        ("==> web:  -- Cpus:              2", None),
        ("==> db: Starting domain.", None),
        ("    web: SSH address: 192.168.121.75:22", None),
        ("==> web: ", None),
    ],
)
def test_a_phase_is_what_is_about_to_be_done_with_this_machine(line: str, phase: str | None) -> None:
    assert phase == parse_phase(line, "web")


@pytest.mark.parametrize(
    ("said", "why", "mend"),
    [
        (
            "The provider 'libvirt' could not be found, but was requested to\nback the machine 'web'.",
            "its plugin vagrant-libvirt is not installed",
            "apt-get install --no-install-recommends vagrant vagrant-libvirt; or `provider: qemu`",
        ),
        ("Timed out while waiting for the machine to boot.\nx", "it did not answer by SSH in time", ""),
        (
            "The box failed to unpackage properly. Please verify that\n\nx box.img: Truncated tar archive",
            "the box file is damaged or cut short",
            "fetch it again, or free some space",
        ),
        (
            "The box 'a/b' could not be found or\ncould not be accessed in the remote catalog. If this is a private",
            "no such box is here, and it cannot be fetched",
            "vagrant box add --name NAME FILE; or `box: debian12`",
        ),
        (
            "Error while creating domain: invalid argument: could not find capabilities for domaintype=kvm ",
            "KVM cannot be used here",
            "`driver: qemu` in lab.yaml",
        ),
        ("/usr/lib/x.rb:1: warning: old\n\nSome\nreason.\n\nA hint.\n", "Some reason.", ""),
        ("An error occurred:\n\nthe real\nreason\n", "the real reason", ""),
        ("[fog][WARNING] Unrecognized arguments\n", "it says nothing", ""),
        ("bell \a and escape \x1b[31m", "bell ? and escape ?[31m", ""),
    ],
)
def test_a_failure_is_one_line_with_its_mend(said: str, why: str, mend: str) -> None:
    found = explain(said)

    assert why == found[0]
    assert found[1].startswith(mend)
    assert "\n" not in "".join(found)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path / "home"))
    with Run.start() as started:
        yield started


@pytest.fixture
def program(tmp_path: Path, run: Run) -> VagrantProgram:
    return VagrantProgram(tmp_path / "vagrant", run)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what installs a shell script as `vagrant`; each call of it is written down in `calls`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def install(body: str) -> Path:
        script = folder / "vagrant"
        script.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n{body}\n')
        script.chmod(0o755)
        return tmp_path / "calls"

    return install


def allow(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    for name, value in seconds.items():
        monkeypatch.setitem(deadlines._SECONDS, name.replace("_", "."), value)


def test_every_call_names_its_machine(program: VagrantProgram, fake: Any) -> None:
    calls = fake("cat <<'END'\n" + STATUS + CONFIG + "1,web,ui,detail,one\nEND")
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


def test_nothing_of_the_users_own_vagrant_reaches_it(
    program: VagrantProgram, fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("VAGRANT_HOME", "VAGRANT_LOG", "VAGRANT_VAGRANTFILE", "VAGRANT_FORCE_COLOR"):
        monkeypatch.setenv(name, "/users/own")
    fake(f'env >{tmp_path}/env; pwd >{tmp_path}/pwd; read -r answer && echo "$answer" >{tmp_path}/answer; true')
    program.halt("web")
    env = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)

    assert "/users/own" not in env.values()
    assert env["VAGRANT_HOME"] == str(program.directory / "home")
    assert env["VAGRANT_CWD"] == str(program.directory)
    assert env["PYTEST_ISOLATION_LAB"] == str(program.directory / "lab.json")
    assert (program.directory / "Vagrantfile").read_bytes() == vagrant_program.VAGRANTFILE.read_bytes()
    assert (tmp_path / "pwd").read_text() == "/\n"
    assert not (tmp_path / "answer").exists()  # a question finds nobody


def test_what_a_failed_call_said_is_kept(program: VagrantProgram, fake: Any) -> None:
    fake("echo '==> web: Starting domain.'; echo 'Something\nis wrong.' >&2; exit 3")

    with pytest.raises(IsolationError, match=r"^cannot start machine 'web': Vagrant: Something is wrong\.$") as caught:
        program.up("web")
    assert caught.value.log == "Something\nis wrong.\n"
    log = program.log.read_text()
    assert "vagrant up web --no-provision --provider=libvirt\n==> web: Starting domain.\nSomething\nis wrong.\n" in log


def test_an_answer_without_the_machine_is_a_failure(program: VagrantProgram, fake: Any) -> None:
    fake("echo 1,db,state,running")

    with pytest.raises(IsolationError, match="cannot read the state of machine 'web': Vagrant names none"):
        program.state("web")
    with pytest.raises(IsolationError, match="cannot read the address of machine 'web': Vagrant names none"):
        program.ssh_config("web")


def test_what_goes_on_is_on_the_screen_once_for_each_thing(
    program: VagrantProgram, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("echo '==> web: Starting domain.'; echo '==> db: Other.'; sleep 0.3; echo '==> web: Waiting...'; sleep 0.3")
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    lines: list[str] = []
    before = progress.set_listener(lines.append)
    try:
        program.up("web")
    finally:
        progress.set_listener(before)

    assert [line for line in lines if line.endswith("…")] == ["vagrant: starting domain …", "vagrant: waiting …"]


def test_one_that_does_not_end_is_killed_with_all_that_it_started(
    program: VagrantProgram, fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake(f"trap '' TERM; sleep 600 & echo $! >{tmp_path}/child; echo so far >&2; wait")
    allow(monkeypatch, vagrant_call=1.0)
    started = time.monotonic()

    with pytest.raises(IsolationError, match="cannot stop machine 'web': Vagrant: no end after 1 s; raise") as caught:
        program.halt("web")
    assert time.monotonic() - started < 30
    assert caught.value.log == "so far\n"
    assert read_process(int((tmp_path / "child").read_text())) is None
    assert not (program.directory / "vagrant.pid").exists()


def test_the_wait_for_an_address_has_a_machines_boot_and_no_more(
    program: VagrantProgram, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("echo '==> web: Waiting for domain to get an IP address...'; exec sleep 600")
    allow(monkeypatch, machine_boot=1.0)

    with pytest.raises(IsolationError, match="cannot start machine 'web': Vagrant: it has no address after 1 s"):
        program.up("web")


def test_who_sees_that_there_is_nothing_to_wait_for_ends_it(
    program: VagrantProgram, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("exec sleep 600")
    monkeypatch.setattr(vagrant_program, "LOOK", 0.05)

    def watch() -> None:
        raise IsolationError("cannot start machine 'web': dead")

    with pytest.raises(IsolationError, match="cannot start machine 'web': dead"):
        program.up("web", watch)
    assert load_process(program.directory / "vagrant.pid") is None


def test_one_whose_caller_was_killed_is_ended_by_a_prune(tmp_path: Path, fake: Any, run: Run) -> None:
    fake(f"echo $$ >{tmp_path}/pid; exec sleep 600")
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


def test_without_vagrant_the_other_provider_is_offered(
    program: VagrantProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vagrant_program, "find_program", lambda name: None)

    with pytest.raises(IsolationError, match=r"^cannot call Vagrant: it is not installed; apt-get .*`provider: qemu`"):
        program.up("web")
    with pytest.raises(IsolationError, match="it is not installed"):
        program.state("web")


def test_without_python_vagrant_its_extra_is_named(
    program: VagrantProgram, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("true")
    monkeypatch.setitem(sys.modules, "vagrant", None)

    with pytest.raises(IsolationError, match=r"python-vagrant is not installed; pip install 'pytest-isolation\[lab\]'"):
        program.up("web")


@pytest.fixture
def box(tmp_path: Path) -> Box:
    files = {name: tmp_path / name for name in ("disk", "kernel", "initrd", "private_key")}
    for path in files.values():
        path.touch()
    return Box("debian12", "abc", tmp_path, cmdline="quiet", user="root", host_key=KEY, **files)


def test_a_box_of_ours_is_booted_by_its_kernel_and_reached_by_its_key(box: Box) -> None:
    entry = render_own(MachineSpec(name="web"), box, "words", "qemu", "/console")

    assert entry["box"] == "isolation-debian12-abc"
    assert dict(entry["ssh"])["private_key_path"] == str(box.private_key)  # type: ignore[call-overload]
    assert dict(entry["ssh"])["insert_key"] is False  # type: ignore[call-overload]
    assert dict(entry["libvirt"])["cmd_line"] == "words"  # type: ignore[call-overload]


def test_the_command_line_has_name_address_and_cgroup_mode(box: Box) -> None:
    v2, v1 = MachineSpec(name="web"), MachineSpec(name="web", cgroup="v1")

    assert render_cmdline(v2, box) == "quiet systemd.hostname=web"
    assert render_cmdline(v1, box) == "quiet systemd.hostname=web systemd.unified_cgroup_hierarchy=0"
    assert render_cmdline(v2, box, "192.168.121.128").endswith(
        " earlynet=192.168.121.128,255.255.255.0,192.168.121.1,192.168.121.1"
    )


def test_a_box_that_vagrant_knows_keeps_what_its_own_vagrantfile_says() -> None:
    entry = render_known(MachineSpec(name="web", box="a/b", box_version="1.2"), "kvm", "/console")

    assert (entry["box"], entry["box_version"]) == ("a/b", "1.2")
    assert "ssh" not in entry
    assert "vm" not in entry
    assert not {"kernel", "initrd", "cmd_line", "machine_type"} & set(entry["libvirt"])  # type: ignore[call-overload]


def test_a_hardware_address_is_one_for_each_name() -> None:
    assert hardware_address("web") == hardware_address("web")
    assert hardware_address("web") != hardware_address("db")
    assert hardware_address("web").startswith("52:54:00:")


@pytest.mark.parametrize("change", [{"cpus": 1}, {"memory": 512}, {"cgroup": "v1"}], ids=str)
def test_other_hardware_has_another_mark(change: dict[str, Any]) -> None:
    spec = MachineSpec(name="web")

    assert hardware_mark(spec, "qemu") != hardware_mark(spec.model_copy(update=change), "qemu")
    assert hardware_mark(spec, "qemu") != hardware_mark(spec, "kvm")


def test_the_other_machines_entries_stay(tmp_path: Path) -> None:
    file = tmp_path / "new" / "lab.yaml"
    write_entry(file, "web", {"box": "a"})
    write_entry(file, "db", {"box": "b"})
    write_entry(file, "web", {"box": "c"})

    assert json.loads(file.read_text())["machines"] == {"web": {"box": "c"}, "db": {"box": "b"}}
    file.write_text("garbage")
    write_entry(file, "web", {"box": "d"})
    assert json.loads(file.read_text())["machines"] == {"web": {"box": "d"}}


def test_a_box_is_added_with_its_version_and_only_once(
    program: VagrantProgram, fake: Any, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioner.machines.vagrant.boxes.package_box", lambda box: Path("/boxes/debian12.box"))
    folder = program.directory / "home" / "boxes" / box_name(box) / "1" / "amd64" / "libvirt"
    calls = fake(f"mkdir -p {folder}; touch {folder}/metadata.json")
    add_own(program, box)
    add_own(program, box)

    catalogue = program.directory / "catalogue.json"
    assert calls.read_text() == f"box add isolation-debian12-abc {catalogue} --provider libvirt\n"
    versions = [{"version": "1", "providers": [{"name": "libvirt", "url": "file:///boxes/debian12.box"}]}]
    assert json.loads(catalogue.read_text()) == {"name": "isolation-debian12-abc", "versions": versions}


def test_a_box_file_that_is_cut_short_is_named(program: VagrantProgram, fake: Any) -> None:
    fake("echo 'The box failed to unpackage properly. Please verify that the box' >&2; exit 1")

    with pytest.raises(
        IsolationError, match=r"cannot add the box 'a/b': Vagrant: the box file is damaged or cut short; fe"
    ):
        program.add_box("a/b", Path("/cut.box"))


def test_a_box_that_the_user_has_is_seen(
    program: VagrantProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own" / "boxes" / "debian-VAGRANTSLASH-bookworm64"
    own.mkdir(parents=True)
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "own"))
    link_known(program, "debian/bookworm64")
    link_known(program, "debian/bookworm64")
    link_known(program, "not/there")

    boxes = program.directory / "home" / "boxes"
    assert [path.name for path in boxes.iterdir()] == ["debian-VAGRANTSLASH-bookworm64"]
    assert (boxes / own.name).resolve() == own


def test_the_best_host_key_is_kept_and_noise_is_not() -> None:
    text = f"# a:22 SSH-2.0\n[a]:22 ssh-rsa AAAAB3\n[a]:22 {KEY}\nshort line\n[a]:22 brand-new AAAA\n"

    assert parse_keyscan(text) == KEY
    assert parse_keyscan("[a]:22 ssh-rsa AAAAB3\n") == "ssh-rsa AAAAB3"
    assert parse_keyscan("# nothing\n[a]:22 brand-new AAAA\n") is None


def test_a_host_key_is_learned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").touch()
    shown = [KEY]
    monkeypatch.setattr("provisioner.machines.vagrant.login.scan_host_key", lambda *arguments: shown[0])
    config = SshConfig("10.0.0.1", 2222, "vagrant", (str(tmp_path / "gone"), str(tmp_path / "key")))
    first = learn_login(tmp_path / "web.login", "web", config, "10.0.0.1")
    shown[0] = "ssh-ed25519 AAAAanother"

    assert Login(2222, "vagrant", tmp_path / "key", KEY) == first
    assert first == learn_login(tmp_path / "web.login", "web", config, "10.0.0.1")
    assert first == load_login(tmp_path / "web.login")
    assert (tmp_path / "web.login").stat().st_mode & 0o777 == 0o600


def test_a_login_without_a_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsolationError, match="cannot log in to machine 'web': Vagrant names no private key"):
        learn_login(tmp_path / "web.login", "web", SshConfig("a", 22, "vagrant", ("/nowhere",)), "a")
    (tmp_path / "web.login").write_text('{"user": "x"}')
    assert load_login(tmp_path / "web.login") is None


def test_garbage_is_as_good_as_a_machine_that_was_never_up(tmp_path: Path) -> None:
    save_made(tmp_path, "web", Made("a", "b", "c", "d"))
    save_made(tmp_path, "db", Made("d", "b", "c", ""))
    made_file(tmp_path, "x").write_text("[]")
    made_file(tmp_path, "y").write_text('{"box": "a"}')

    assert load_made(tmp_path, "web") == Made("a", "b", "c", "d")
    assert [load_made(tmp_path, name) for name in ("x", "y", "z")] == [None] * 3
    assert sorted(used_boxes(tmp_path)) == ["a", "d"]


class FakeLibvirt:
    """Answers virsh from a table of its first words."""

    def __init__(self, directory: Path, answers: dict[str, str]) -> None:
        self.directory = directory
        self.answers = answers
        self.defined = ""

    def virsh(self, *argv: str) -> subprocess.CompletedProcess[str]:
        if argv[0] == "define":
            self.defined = Path(argv[1]).read_text()
        known = argv[0] in self.answers or argv[0] == "define"
        return subprocess.CompletedProcess(argv, not known, self.answers.get(argv[0], ""), "error: broken")


def test_the_lease_is_read_and_no_lease_is_none(tmp_path: Path) -> None:
    table = (
        " vnet0      52:54:00:01:02:03    ipv6         fe80::1/64\n vnet0  52:54:00:01:02:03  ipv4  192.168.121.9/24\n"
    )
    known, unknown = (FakeLibvirt(tmp_path, answers) for answers in ({"domifaddr": table}, {}))

    assert Domain(known, tmp_path, "web").address() == "192.168.121.9"  # type: ignore[arg-type]
    assert Domain(unknown, tmp_path, "web").address() is None  # type: ignore[arg-type]


def test_an_address_is_one_cards_and_stays_its_own(tmp_path: Path) -> None:
    file = tmp_path / "lib" / "dnsmasq" / "virbr0.status"
    libvirt: Any = FakeLibvirt(tmp_path, {})
    macs = [hardware_address("web"), "52:54:00:00:00:01", "52:54:00:00:00:80"]  # of the last two, the first try is one
    found = [reserve_address(libvirt, mac) for mac in macs]
    assert len(set(found)) == 3
    assert all(address and 128 <= int(address.rpartition(".")[2]) <= 254 for address in found)

    given = {"ip-address": "192.168.121.7", "mac-address": "52:54:00:00:00:03", "expiry-time": 9}  # by DHCP
    file.write_text(json.dumps([*json.loads(file.read_text()), given]))
    assert [reserve_address(libvirt, mac) for mac in macs] == found
    assert reserve_address(libvirt, "52:54:00:00:00:03") not in {*found, "192.168.121.7"}
    assert len(json.loads(file.read_text())) == 4


def test_a_lease_that_was_lost_comes_back_the_same(tmp_path: Path) -> None:
    libvirt: Any = FakeLibvirt(tmp_path, {})
    first = reserve_address(libvirt, "52:54:00:00:00:01")
    (tmp_path / "lib" / "dnsmasq" / "virbr0.status").write_text("")

    assert reserve_address(libvirt, "52:54:00:00:00:01") == first


def test_when_all_addresses_are_taken_dhcp_has_the_say(tmp_path: Path) -> None:
    libvirt: Any = FakeLibvirt(tmp_path, {})
    for number in range(127):
        assert reserve_address(libvirt, f"52:54:00:00:01:{number:02x}")

    assert reserve_address(libvirt, "52:54:00:00:02:00") is None


def test_libvirt_is_asked_whether_it_sees_a_lease(tmp_path: Path) -> None:
    seen: Any = FakeLibvirt(
        tmp_path, {"net-dhcp-leases": " never  52:54:00:00:00:01  ipv4  192.168.121.128/24  -  -\n"}
    )

    assert sees_lease(seen, "52:54:00:00:00:01", "192.168.121.128")
    assert not sees_lease(seen, "52:54:00:00:00:01", "192.168.121.12")


def test_a_command_line_that_changed_is_defined_anew(tmp_path: Path) -> None:
    shown = "<domain type='qemu'><os><cmdline>old</cmdline></os></domain>"
    libvirt = FakeLibvirt(tmp_path, {"dumpxml": shown})
    domain = Domain(libvirt, tmp_path, "web")  # type: ignore[arg-type]
    domain.change("qemu", "old")
    assert libvirt.defined == ""

    domain.change("kvm", "new & other")
    defined = ElementTree.fromstring(libvirt.defined)
    assert (defined.get("type"), defined.findtext("os/cmdline")) == ("kvm", "new & other")


def test_what_libvirt_refuses_is_quoted(tmp_path: Path) -> None:
    domain = Domain(FakeLibvirt(tmp_path, {}), tmp_path, "web")  # type: ignore[arg-type]

    with pytest.raises(IsolationError, match="cannot run 'virsh destroy': error: broken"):
        domain.stop()


def test_a_machine_never_made_is_absent(tmp_path: Path, run: Run, box: Box) -> None:
    machine = VagrantMachine(MachineSpec(name="web", driver="qemu"), box, tmp_path / "lab", run)

    assert (machine.status(), machine.snapshots(), machine.vmm_pid(), machine.console()) == ("absent", [], None, "")
    machine.down()
    assert not machine.restore("nothing")
    with pytest.raises(IsolationError, match="cannot reach machine 'web': it does not run; provisioner up web"):
        machine.ssh()
    with pytest.raises(IsolationError, match="cannot snapshot machine 'web': it does not run"):
        machine.snapshot("now")
    with pytest.raises(IsolationError, match=r"cannot name a snapshot '\.\./x'"):
        machine.snapshot("../x")


def test_one_whose_box_is_not_built_is_not_started(tmp_path: Path, run: Run) -> None:
    machine = VagrantMachine(MachineSpec(name="web", driver="qemu"), None, tmp_path / "lab", run)

    with pytest.raises(IsolationError, match="cannot start machine 'web': its box is not built; provisioner box build"):
        machine.up()


def test_a_process_that_is_not_in_the_labs_network_is_not_the_machine(tmp_path: Path, run: Run, box: Box) -> None:
    machine = VagrantMachine(MachineSpec(name="web", driver="qemu"), box, tmp_path / "lab", run)
    folder = tmp_path / "lab" / "libvirt" / "run" / "qemu"
    folder.mkdir(parents=True)
    (folder / "isolation_web.pid").write_text(str(os.getpid()))  # of before a reboot

    assert machine.vmm_pid() is None


ELSEWHERE = """
case "$1 $2" in
"up web")
    mkdir -p "$VAGRANT_DOTFILE_PATH/machines/web"
    echo running >"$VAGRANT_HOME/state"
    [ ! -e "$VAGRANT_HOME/broken" ];;
"status web") echo "1,web,state,$(cat "$VAGRANT_HOME/state")";;
"ssh-config web") printf 'Host web\\n HostName 127.0.0.1\\n Port 2222\\n User vagrant\\n IdentityFile %s\\n' "$0";;
"halt web") echo poweroff >"$VAGRANT_HOME/state";;
"destroy web") echo not_created >"$VAGRANT_HOME/state";;
"snapshot list") echo 1,web,ui,detail,one;;
esac
"""


@pytest.fixture
def elsewhere(tmp_path: Path, run: Run, fake: Any, monkeypatch: pytest.MonkeyPatch) -> ElsewhereMachine:
    fake(ELSEWHERE)
    monkeypatch.setattr("provisioner.machines.vagrant.login.scan_host_key", lambda *arguments: KEY)
    spec = MachineSpec(name="web", box="a/b", hypervisor="virtualbox")
    return ElsewhereMachine(spec, tmp_path / "lab", run)


def test_another_hypervisors_machine_lives_through_vagrant_alone(elsewhere: ElsewhereMachine, tmp_path: Path) -> None:
    assert (elsewhere.status(), elsewhere.snapshots()) == ("absent", [])
    elsewhere.up()
    elsewhere.up()
    address = elsewhere.ssh()

    assert (address.host, address.port, address.user, address.host_key) == ("127.0.0.1", 2222, "vagrant", KEY)
    assert address.netns is None
    assert (elsewhere.status(), elsewhere.snapshots()) == ("running", ["one"])
    elsewhere.down()
    elsewhere.down()
    assert elsewhere.status() == "halted"
    elsewhere.down(destroy=True)
    assert elsewhere.status() == "absent"
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call for call in calls if call.split()[0] in ("up", "halt", "destroy")] == [
        "up web --no-provision --provider=virtualbox",
        "halt web",
        "destroy web --force",
    ]


def test_another_hypervisors_machine_that_does_not_start_is_taken_away(elsewhere: ElsewhereMachine) -> None:
    home = elsewhere.directory / "vagrant" / "home"
    home.mkdir(parents=True)
    (home / "broken").touch()

    with pytest.raises(IsolationError, match="cannot start machine 'web': Vagrant: it says nothing"):
        elsewhere.up()
    assert elsewhere.status() == "absent"
