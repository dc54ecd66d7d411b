"""The files of a machine over SSH.

In: an SshConnection.  Out: `SshFiles`.  The machine needs a POSIX shell, GNU coreutils and findutils, and nothing of
this project.  The journal on this machine records what is made there, as commands to run over SSH (see ssh_undo.py).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from provisioner.connection.address import dump_address
from provisioner.connection.local import Connection
from provisioner.connection.ssh import SshConnection
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.hosts.files_local import rootfs_name
from provisioner.images.busybox import Shell
from provisioner.images.elf import check_architecture
from provisioner.images.image import Item, rootfs_tar
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.linux.cgroups import PREFIX
from provisioner.linux.mounts import MountPoint, parse_mountinfo
from provisioner.paths import NAME, READABLE
from provisioner.probe.build import BuiltProbe

MAKE_FOLDER = '[ -d "$1" ] || { mkdir -p -- "${1%/*}" && mkdir -m "$2" -- "$1"; } || [ -d "$1" ]'
# prints the machine's architecture, and whether the program is there
LOOK = 'uname -m; printf "%s  %s\\n" "$2" "$1" | sha256sum --check --status 2>/dev/null && echo there; :'
# arguments: the folder, a tar of its contents
MAKE_ROOTFS = """\
path=$1 fresh=$1.$$
rm -rf -- "$fresh" && mkdir -m 755 -- "$fresh" || exit
tar -x -p -f "$2" -C "$fresh" && rm -- "$2" || exit
mv -T -- "$fresh" "$path" 2>/dev/null || { rm -rf -- "$fresh"; [ -x "$path/probe" ]; }"""
# only v2 has cgroup.kill (cgroup-v2.rst); on v1 each member is killed
DELETE_CGROUPS = """\
for folder; do
  try=0
  while [ -d "$folder" ] && [ $try -lt 100 ]; do
    [ ! -e "$folder/cgroup.kill" ] || echo 1 >"$folder/cgroup.kill"
    find "$folder" -name cgroup.procs -exec cat {} + 2>/dev/null | xargs -r kill -s KILL 2>/dev/null
    find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null
    [ ! -d "$folder" ] || sleep 0.05
    try=$((try + 1))
  done
  [ ! -d "$folder" ] || { echo "$folder: still in use" >&2; exit 1; }
done"""


class SshFiles:
    """
    The files of one machine, as root, or as a user who may become root by sudo.

    Args:
        connection: to the machine.
    """

    cache = Path("/var/cache") / NAME
    state = Path("/var/lib") / NAME
    run = Path("/run") / NAME
    remembers = False
    watched = ("kernel/core_pattern", "kernel/panic")  # an engine turns ip_forward on for its first container

    def __init__(self, connection: SshConnection) -> None:
        self.connection: Connection = connection
        self._address = connection.address
        self._ssh = connection

    def mounts(self) -> list[MountPoint]:
        return parse_mountinfo(self.read(Path("/proc/self/mountinfo")).decode("utf-8", "surrogateescape"))

    def make_folder(self, path: Path, mode: int) -> None:
        self._sh(f"make folder '{path}'", MAKE_FOLDER, str(path), f"{mode:o}")

    def read(self, path: Path) -> bytes:
        done = self._ssh.run(["cat", "--", str(path)], deadline("command"), retry=True)
        if done.status:
            raise IsolationError(f"cannot read '{path}' on '{self._ssh.name}': {done.last_words}")
        return done.stdout

    def write(self, path: Path, data: bytes, mode: int = 0o644) -> None:
        self._ssh.put(str(path), data, mode)

    def hand_over(self, path: Path, uid: int) -> None:
        self._sh(f"give '{path}' to uid {uid}", 'chown -- "$2:$2" "$1" && chmod 600 -- "$1"', str(path), str(uid))

    def delete(self, path: Path) -> bool:
        return self._ssh.run(_removal(path), deadline("command")).status == 0

    def install_probe(self, probe: BuiltProbe) -> Path:
        path = self.cache / f"probe-{probe.hash}" / "probe"
        data = probe.path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        machine, *there = self._sh("look for the probe", LOOK, str(path), digest).split()
        check_architecture(probe.path, machine)
        if not there:
            self.make_folder(path.parent, 0o755)
            self.write(path, data, 0o755)
        return path

    def make_rootfs(self, probe: BuiltProbe, shell: Shell | None, name: str = "", further: Sequence[Item] = ()) -> Path:
        path = self.cache / (name or rootfs_name(probe, shell))
        if self._ssh.run(["test", "-x", f"{path}/probe"], deadline("command"), retry=True).status:
            archive = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tar")
            self.make_folder(self.cache, READABLE)
            self.write(archive, rootfs_tar(probe.path, shell, further))
            self._sh(f"make '{path}'", MAKE_ROOTFS, str(path), str(archive))
        return path

    def delete_cgroups(self, folders: Sequence[Path]) -> None:
        self._sh("remove the cgroups", DELETE_CGROUPS, *_checked(folders))

    def made_command(self, run: Run, argv: Sequence[str], env: Mapping[str, str]) -> UndoEntry:
        words = [f"{name}={value}" for name, value in env.items()]
        return self._made(run, ["env", *words, *argv] if words else argv)

    def made_folder(self, run: Run, path: Path) -> UndoEntry:
        return self._made(run, _removal(path))

    def made_cgroups(self, run: Run, folders: Sequence[Path]) -> list[UndoEntry]:
        return [self._made(run, ["sh", "-c", DELETE_CGROUPS, "sh", *_checked(folders)])]

    def made_canaries(self, run: Run, probe: Path, key: int, name: str) -> UndoEntry:
        return self._made(run, [str(probe), "canaries", "delete", str(key), name])

    def _made(self, run: Run, argv: Sequence[str]) -> UndoEntry:
        """Record a command that runs over SSH to undo; it is skipped if the machine no longer exists."""
        return run.made("verb", ["run-over-ssh", dump_address(self._address), self._ssh.name, *argv])

    def _sh(self, what: str, script: str, *arguments: str) -> str:
        done = self._ssh.run(["sh", "-c", script, "sh", *arguments], deadline("command"))
        if done.status:
            raise IsolationError(f"cannot {what} on '{self._ssh.name}': {done.last_words}")
        return done.stdout.decode("utf-8", "replace")


def _removal(path: Path) -> list[str]:
    if NAME not in path.parts:
        raise IsolationError(f"cannot remove '{path}': not below our folders")
    return ["rm", "-rf", "--one-file-system", "--", str(path)]


def _checked(folders: Sequence[Path]) -> list[str]:
    """Return the paths, each below a folder named isolation-<id>: only there processes are killed."""
    for folder in folders:
        if not any(part.startswith(PREFIX) for part in folder.parts):
            raise IsolationError(f"cannot remove cgroup '{folder}': not one of ours")
    return [str(folder) for folder in folders]
