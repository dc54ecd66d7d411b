"""A host over SSH, at a real sshd on loopback: its files, its probe, sandboxes on it, and what undoes them."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sshd

from provisioner.connection.address import dump_address, load_address
from provisioner.connection.ssh import SshConnection
from provisioner.errors import IsolationError
from provisioner.hosts.files_local import LocalFiles
from provisioner.hosts.files_ssh import SshFiles
from provisioner.hosts.host import Host
from provisioner.hosts.ssh_undo import run_over_ssh
from provisioner.journal.prune import prune
from provisioner.journal.run import Run
from provisioner.linux.cgroups import cgroup_mode
from provisioner.linux.mounts import read_mounts
from provisioner.paths import NAME
from provisioner.probe.build import BuiltProbe, probe_binary
from provisioner.runtimes.load import load_runtime
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import OuterHost, Spec

pytestmark = [
    pytest.mark.skipif(not sshd.is_there(), reason="apt-get install --no-install-recommends openssh-server"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a host's folders are root's: run as root"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    with sshd.serving(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def there(server: sshd.Sshd) -> Iterator[SshConnection]:
    connection = SshConnection(server.address, "there")
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def cache() -> Iterator[Path]:
    """The machine's cache: another folder than this machine's, where they would be one here."""
    folder = ours()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def files(there: SshConnection, cache: Path, monkeypatch: pytest.MonkeyPatch) -> SshFiles:
    monkeypatch.setattr(SshFiles, "cache", cache)
    return SshFiles(there)


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.start() as made:
        yield made


@pytest.fixture(scope="module")
def probe() -> BuiltProbe:
    return probe_binary()


def ours() -> Path:
    """A folder of the project's own, where files may be removed."""
    return Path("/run") / NAME / f"test-{secrets.token_hex(4)}"


def test_files_are_made_written_read_and_removed(files: SshFiles) -> None:
    folder = ours()
    files.make_folder(folder, 0o711)
    files.make_folder(folder, 0o700)  # it is there, and stays as it is
    files.write(folder / "file", b"\0\xffhello", 0o640)

    assert folder.stat().st_mode & 0o777 == 0o711
    assert (folder / "file").stat().st_mode & 0o777 == 0o640
    assert files.read(folder / "file") == b"\0\xffhello"
    files.delete(folder)
    files.delete(folder)
    assert not folder.exists()
    with pytest.raises(IsolationError, match=r"cannot read '.*/file' on 'there': .*No such file"):
        files.read(folder / "file")


def test_what_is_not_ours_is_never_removed(files: SshFiles, tmp_path: Path) -> None:
    with pytest.raises(IsolationError, match="not below our folders"):
        files.delete(tmp_path)
    with pytest.raises(IsolationError, match="not one of ours"):
        files.delete_cgroups([Path("/sys/fs/cgroup/memory/docker")])
    assert tmp_path.exists()


def test_its_mounts_are_what_it_has(files: SshFiles) -> None:
    assert files.mounts() == read_mounts()


def test_the_probe_is_uploaded_once(files: SshFiles, probe: BuiltProbe) -> None:
    path = files.install_probe(probe)
    before = path.stat()

    assert path.read_bytes() == probe.path.read_bytes()
    assert before.st_mode & 0o777 == 0o755
    assert files.install_probe(probe) == path
    assert path.stat().st_ino == before.st_ino
    path.write_bytes(b"cut short")
    files.install_probe(probe)
    assert path.read_bytes() == probe.path.read_bytes()


def test_the_root_folder_is_that_of_this_machine(files: SshFiles, probe: BuiltProbe) -> None:
    path = files.make_rootfs(probe, None)
    local = LocalFiles().make_rootfs(probe, None)

    def listed(folder: Path) -> set[tuple[str, int]]:
        names = ("dev", "etc", "probe", "proc", "run", "sys", "tmp", "usr")
        return {(name, (folder / name).stat().st_mode) for name in names} | {("", folder.stat().st_mode)}

    assert listed(path) == listed(local)
    assert not list(path.parent.glob("*.tar"))
    assert files.make_rootfs(probe, None) == path


def test_cgroups_of_ours_go_with_what_runs_in_them(files: SshFiles, run: Run) -> None:
    mount = next(
        mount.target for mount in read_mounts() if mount.fstype.startswith("cgroup") and "pids" in mount.options
    )
    folder = mount / f"isolation-{run.id}"
    (folder / "inner").mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"]) as process:
        (folder / "inner" / "cgroup.procs").write_text(str(process.pid))
        files.delete_cgroups([folder, mount / f"isolation-{run.id}-never-made"])

        assert process.wait(60) == -9
    assert not folder.exists()


def test_an_address_goes_to_another_process_and_back(server: sshd.Sshd) -> None:
    assert load_address(dump_address(server.address)) == server.address


@pytest.fixture
def host(files: SshFiles, run: Run, probe: BuiltProbe) -> Iterator[Host]:
    made = Host(files, run, probe)
    yield made
    made.close()


def test_a_host_over_ssh_tells_of_itself_as_this_one_does(host: Host) -> None:
    assert host.facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert host.is_root
    assert host.cpus == os.cpu_count()
    assert host.cgroup_mode == cgroup_mode()


@pytest.mark.skipif(not shutil.which("runc"), reason="apt-get install --no-install-recommends runc")
@pytest.mark.parametrize("image", ["probe", "shell"])
def test_a_sandbox_over_ssh_is_seen_from_both_sides_and_leaves_nothing(host: Host, image: Any) -> None:
    with Sandbox(host, load_runtime("runc"), Spec(image=image)) as sandbox:
        inside, outside = sandbox.inside(), sandbox.outside()

        assert outside is not None
        assert inside.nonce == outside.nonce == sandbox.nonce
        assert inside.process.namespaces.pid == outside.process.namespaces.pid != host.facts.process.namespaces.pid
        assert sandbox.state_pid() == outside.process.pid
        assert inside.system is not None
        assert inside.system.objects is not None
        assert (inside.system.objects.shm, inside.system.objects.mqueue) == ("ENOENT", "ENOENT")
        assert host.moved() == []
        assert (sandbox.request("run", "/bin/sh", "-c", "echo there").data == b"there\n") == (image == "shell")
        bundle = host.directory / sandbox.name
        assert bundle.exists()
    assert not bundle.exists()
    listed = subprocess.run(["runc", "--root", f"{host.files.state}/runc/run", "list", "-q"], capture_output=True)
    assert sandbox.name.encode() not in listed.stdout


def test_a_machine_that_is_the_sandbox_is_seen_by_its_hypervisors_process(
    host: Host, run: Run, probe: BuiltProbe
) -> None:
    """Here the "machine" is this very host, and its "hypervisor" the sshd."""
    outer = Host(LocalFiles(), run, probe)
    try:
        with Sandbox(host, load_runtime("machine"), Spec(), OuterHost(outer, os.getpid())) as sandbox:
            vmm = sandbox.vmm()

            assert vmm is not None
            assert vmm.process.pid == os.getpid()
            assert sandbox.outside() is None
            assert sandbox.exec_facts().boot_id == sandbox.inside().boot_id
        with (
            Sandbox(host, load_runtime("machine"), Spec(), OuterHost(outer, None)) as sandbox,
            pytest.raises(IsolationError, match="its process is unknown"),
        ):
            sandbox.vmm()
    finally:
        outer.close()


def test_a_killed_run_is_undone_over_ssh(server: sshd.Sshd, tmp_path: Path) -> None:
    """Another process makes a sandbox there and is killed; the next prune takes away what it left."""
    script = f"""
import os, signal, sys
from pathlib import Path
from provisioner.hosts.host import Host
from provisioner.journal.run import Run
from provisioner.probe.build import probe_binary
from provisioner.runtimes.load import load_runtime
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec
from provisioner.connection.ssh import SshConnection
from provisioner.connection.address import load_address
from provisioner.hosts.files_ssh import SshFiles
run = Run.start()
host = Host(SshFiles(SshConnection(load_address({dump_address(server.address)!r}), "there")), run, probe_binary())
Path({str(tmp_path / "run")!r}).write_text(str(host.directory))
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script], timeout=900)
    folder = Path((tmp_path / "run").read_text())

    assert killed.returncode == -9
    assert folder.exists()
    lines = prune()
    assert not folder.exists(), lines
    assert any("canaries delete" in line for line in lines)


def test_undoing_on_a_machine_that_is_gone_is_done(server: sshd.Sshd, tmp_path: Path) -> None:
    gone = dump_address(server.address).replace(f'"port": {server.address.port}', '"port": 1')

    with pytest.raises(IsolationError, match="machine 'there' no longer exists"):
        run_over_ssh(gone, "there", ["rm", "-rf", str(tmp_path)])
    assert tmp_path.exists()


def test_a_host_whose_machine_was_rolled_back_is_closed_without_it(tmp_path: Path, probe: BuiltProbe) -> None:
    """The machine is another one now, or none: what the run had there is gone, and so are its journal's records."""
    with sshd.serving(tmp_path) as server, Run.start() as run:
        connection = SshConnection(server.address, "there")
        host = Host(SshFiles(connection), run, probe)
        folder, canaries = host.directory, host.canary_words[1].removeprefix("objects=").split(":")
        for session in server.sessions():
            os.kill(session, 9)
        server.process.kill()
        server.process.wait(60)

        host.close()
    assert folder.exists(), "here the machine is this host, where nothing was rolled back"
    shutil.rmtree(folder)
    subprocess.run([str(probe.path), "canaries", "delete", *canaries], check=True)
    for mount in read_mounts():
        if mount.fstype.startswith("cgroup"):
            assert not (mount.target / f"isolation-{run.id}").exists()
