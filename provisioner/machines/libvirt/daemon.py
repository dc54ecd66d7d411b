"""The lab's own libvirtd, started in the lab's network namespace.

In: the lab's network and a Run.  Out: `enter`, the arguments in front of libvirt's clients, Vagrant among them.
libvirt's folders are fixed at build time, so libvirtd gets a mount namespace in which they are folders of the lab:
definitions, disks and sockets of two labs, and of the host's libvirtd, are separate.  Only the cache of QEMU's
capabilities is shared.  It ends with the lab's network at the latest.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import subprocess
import sys
import time
from pathlib import Path

from provisioner.connection.local import find_program, last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.linux.processes import read_process
from provisioner.machines.box.build import boxes_folder
from provisioner.machines.daemonize import end_detached, find_running, start_detached
from provisioner.machines.libvirt.network import RESOLVER, LabNet
from provisioner.paths import cache_dir
from provisioner.progress import step

URI = "qemu:///system"
PREFIX = "isolation_"  # of every domain's name
NETWORK = "isolation"
GATEWAY = "192.168.121.1"
NETWORK_ADDRESS = "192.168.121.0/24"
BRIDGE = "virbr0"
RESERVED = ("192.168.121.128", "192.168.121.254")  # for dhcp.py; DHCP does not give these
POLL = 0.1  # seconds
HINT = (
    "apt-get install --no-install-recommends libvirt-daemon-system libvirt-clients dnsmasq-base; "
    "or `provider: qemu` in lab.yaml, which needs none of them"
)
KVM = Path("/dev/kvm")
FOLDERS = {
    "etc": Path("/etc/libvirt"),
    "lib": Path("/var/lib/libvirt"),
    "run": Path("/run/libvirt"),
    "log": Path("/var/log/libvirt"),
}
CACHE = Path("/var/cache/libvirt")
# bind-mounts each SOURCE=TARGET in a mount namespace that is private already, then executes the command after --.
# A file, and a folder that is mounted on itself, is read-only: access(2) then denies writing even to root, which a mode
# does not
MOUNT_AND_EXEC = """
import os, subprocess, sys
end = sys.argv.index("--")
for pair in sys.argv[1:end]:
    source, target = pair.split("=", 1)
    subprocess.run(["mount", "--bind", source, target], check=True, timeout=10)
    if source == target or os.path.isfile(source):
        subprocess.run(["mount", "-o", "remount,bind,ro", target], check=True, timeout=10)
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
"""
QEMU_CONF = """\
user = "{user}"
group = "{group}"
dynamic_ownership = 1
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
"""
# no-ping and stp off: a lease after 9 s instead of 15 under emulation.  Leases never expire, so that a restored machine
# keeps its address; there is one hardware address for each machine's name, which keeps their number small
NETWORK_XML = f"""\
<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>{NETWORK}</name>
  <uuid>6e1f7f0a-8d5c-4c57-9b1e-0f7a6a3c1d21</uuid>
  <forward mode='nat'/>
  <bridge name='{BRIDGE}' stp='off' delay='0'/>
  <dns><forwarder addr='{RESOLVER}'/></dns>
  <ip address='{GATEWAY}' netmask='255.255.255.0'>
    <dhcp><range start='192.168.121.2' end='192.168.121.127'><lease expiry='0'/></range></dhcp>
  </ip>
  <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options>
</network>
"""
POOL_XML = """\
<pool type='dir'>
  <name>default</name>
  <uuid>b7a1c2de-4f0e-4a53-8f2b-5d1c9e7f6a02</uuid>
  <target><path>/var/lib/libvirt/images</path></target>
</pool>
"""


class Libvirt:
    """
    One lab's libvirtd.

    Args:
        net: the lab's network; it must be up before libvirtd starts.
    """

    def __init__(self, net: LabNet) -> None:
        self.net = net
        self.directory = net.directory / "libvirt"
        self._file = net.directory / "libvirtd.pid"
        self._log = net.directory / "libvirtd.log"

    @property
    def enter(self) -> list[str]:
        """The arguments in front of a command, so that it uses this libvirt as the system's."""
        process = find_running(self._file)
        if process is None:
            raise IsolationError("cannot reach the lab's libvirtd: it does not run", hint="provisioner up")
        return ["nsenter", f"--target={process.pid}", "--mount", "--net", "--"]

    def is_up(self) -> bool:
        """Tell whether libvirtd and the lab's network run."""
        return find_running(self._file) is not None and self.net.is_up()

    def up(self, run: Run, kvm: bool = False) -> list[UndoEntry]:
        """
        Start libvirtd with its network and its storage pool, unless it runs.

        Args:
            run: the journal that records it until the lab takes over.
            kvm: whether guests may use KVM; if not, /dev/kvm is hidden.  libvirt 9 opens /dev/kvm with more rights than
                its guests have: if these may not open it, libvirt discards its cache and asks QEMU again, 30 s for each
                defined machine.

        Returns:
            The journal's entries; `run.gone` for each of them hands libvirtd over to the lab.

        Raises:
            IsolationError: libvirt is not installed, may not run, or does not answer; with the end of its log.
        """
        if self.is_up():
            return []
        programs = {name: find_program(name) for name in ("libvirtd", "virsh", "dnsmasq", "unshare", "mount")}
        lacking = [name for name, path in programs.items() if path is None]
        if lacking:
            raise IsolationError(f"cannot start libvirt: {lacking[0]} is not installed", hint=HINT)
        self._write_folders(kvm)
        with step("start libvirt"):
            record = self._start(str(programs["libvirtd"]), run, kvm)
            try:
                self._await_ready()
                self._define()
            except BaseException:
                self.down()
                run.gone(record)
                raise
        return [record]

    def down(self) -> None:
        """End libvirtd and its children; guests that still run end with the lab's network."""
        end_detached(self._file, deadline("close"))

    def virsh(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run one command of virsh with English messages; the caller checks its status."""
        try:
            return subprocess.run(
                [*self.enter, "virsh", "--connect", URI, "--quiet", *argv],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=deadline("command"),
                env={**os.environ, "LC_ALL": "C"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise IsolationError(f"cannot run 'virsh {argv[0]}': {error}") from None

    def vmm_pid(self, domain: str) -> int | None:
        """Return the pid of a running domain.  The pid file outlives a reboot: the namespace must fit too."""
        try:
            pid = int((self.directory / "run" / "qemu" / f"{domain}.pid").read_text("utf-8"))
            here = os.stat(f"/proc/{pid}/ns/net").st_ino == self.net.path.stat().st_ino
        except (OSError, ValueError):
            return None
        return pid if here and read_process(pid) is not None else None

    def busy(self) -> bool:
        """Tell whether any machine of the lab runs."""
        files = (self.directory / "run" / "qemu").glob(f"{PREFIX}*.pid")  # driver.pid is libvirtd's
        return any(self.vmm_pid(file.stem) is not None for file in files)

    def _write_folders(self, kvm: bool) -> None:
        """Make the lab's folders, and the host's folders that they are mounted on if libvirt never ran on the host."""
        for name, target in FOLDERS.items():
            (self.directory / name).mkdir(mode=0o711, parents=True, exist_ok=True)
            target.mkdir(mode=0o755, parents=True, exist_ok=True)
        for folder in (self.directory.parent, self.directory, *(self.directory / name for name in FOLDERS)):
            folder.chmod(0o711)  # the hypervisor runs as another user
        CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
        _cache(kvm).mkdir(mode=0o711, exist_ok=True)
        (self.directory / "lib" / "images").mkdir(mode=0o711, exist_ok=True)
        user, group = _user(kvm)
        (self.directory / "etc" / "qemu.conf").write_text(QEMU_CONF.format(user=user, group=group))
        (self.directory / "etc" / "libvirtd.conf").write_text(LIBVIRTD_CONF, "utf-8")
        (self.directory / "network.xml").write_text(NETWORK_XML, "utf-8")
        (self.directory / "pool.xml").write_text(POOL_XML, "utf-8")
        (self.directory / "empty").touch(mode=0)

    def _start(self, binary: str, run: Run, kvm: bool) -> UndoEntry:
        mounts = [f"{self.directory / name}={target}" for name, target in FOLDERS.items()]
        mounts.append(f"{_cache(kvm)}={CACHE}")
        # libvirt gives the hypervisor's user what a domain boots; the boxes are shared by all labs
        mounts.append(f"{boxes_folder()}={boxes_folder()}")
        if not kvm and KVM.exists():
            mounts.append(f"{self.directory / 'empty'}={KVM}")
        argv = [*self.net.enter, "unshare", "--mount", "--propagation", "private", "--"]
        argv += [sys.executable, "-I", "-c", MOUNT_AND_EXEC, *mounts, "--"]
        argv += [binary, "--pid-file", "/run/libvirt/libvirtd.pid"]
        return start_detached(argv, self._log, self._file, run)

    def _await_ready(self) -> None:
        until = time.monotonic() + deadline("libvirt")
        while find_running(self._file) and time.monotonic() < until:
            if (self.directory / "run" / "libvirt-sock").exists() and self.virsh("version").returncode == 0:
                return
            time.sleep(POLL)
        log = self._log.read_bytes()
        raise IsolationError(
            f"cannot start libvirt: {last_line(log) or 'no answer'}", log=log.decode(errors="replace")[-4000:]
        )

    def _define(self) -> None:
        """Define network and pool again, because an older version may have defined them differently, and start them."""
        for kind, name, file in (("net", NETWORK, "network.xml"), ("pool", "default", "pool.xml")):
            if self.virsh(f"{kind}-define", str(self.directory / file)).returncode:
                for verb in ("destroy", "undefine"):  # only the pool's definition goes; its folder stays
                    self.virsh(f"{kind}-{verb}", name)
                self._checked(f"{kind}-define", str(self.directory / file))
            done = self.virsh(f"{kind}-start", name)
            if done.returncode and "already active" not in done.stderr:
                raise _failure(f"{kind}-start", done)

    def _checked(self, *argv: str) -> None:
        done = self.virsh(*argv)
        if done.returncode:
            raise _failure(argv[0], done)


def _failure(verb: str, done: subprocess.CompletedProcess[str]) -> IsolationError:
    reason = last_line(done.stderr.encode()) or done.returncode
    return IsolationError(f"cannot run 'virsh {verb}': {reason}", log=done.stderr)


def _cache(kvm: bool) -> Path:
    """Return the folder for libvirt's cache of QEMU's capabilities, with KVM or without: asking QEMU takes seconds."""
    return cache_dir() / f"libvirt-{'kvm' if kvm else 'tcg'}"


def _user(kvm: bool) -> tuple[str, str]:
    """Return user and group of the hypervisor: the distribution's user for it, or root if that user may not use KVM."""
    for name, group in (("libvirt-qemu", "kvm"), ("qemu", "qemu")):
        try:
            user, gid = pwd.getpwnam(name), grp.getgrnam(group).gr_gid
        except KeyError:
            continue
        if not kvm or _may_open(KVM, user.pw_uid, {gid, user.pw_gid}):
            return name, group
    return "root", "root"


def _may_open(device: Path, uid: int, groups: set[int]) -> bool:
    """Tell whether a device's mode lets a user read and write it."""
    status = device.stat()
    shift = 6 if status.st_uid == uid else 3 if status.st_gid in groups else 0
    return stat.S_IMODE(status.st_mode) >> shift & 0o6 == 0o6
