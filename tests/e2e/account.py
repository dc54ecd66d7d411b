"""Runs pytest as a user without root who is made for the run, or as root with subordinate ids; nothing of it stays.

The account and its ranges are bound over the host's files in a mount namespace of the run's own, so that nothing of the
host is changed; the interpreter and the packages are bound where that user may read them.

    python tests/e2e/account.py user ARGUMENT…      as that user; who is not root is one already
    python tests/e2e/account.py ranges ARGUMENT…    as root, to whom subuid(5) gives a range
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from provisioner.linux.processes import kill_all, read_process
from provisioner.probe.build import probe_binary

NAME = "isolation-test"
FIRST = 58000  # above what useradd(8) gives people, below what Debian's policy and systemd hand out
RANGES = 500_000_000  # below useradd's SUB_UID_MAX, where no host got to
COUNT = 65536
PROJECT = Path(__file__).resolve().parents[2]
ENTER = ("unshare", "--mount", "--propagation", "private")
# $1: a folder for devices, $2: the mode of /dev/net/tun there; then pairs of what is bound and where, --, a command
BIND = """
devices=$1 mode=$2
shift 2
if [ -c /dev/net/tun ]; then
  mount -t tmpfs -o mode=0755 isolation "$devices" && mknod "$devices/tun" c 10 200 && chmod "$mode" "$devices/tun" &&
    mount --bind "$devices/tun" /dev/net/tun || exit
fi
while [ "$1" != -- ]; do
  mount --bind "$1" "$2" || exit
  shift 2
done
shift
exec "$@"
"""


def with_ranges(folder: Path, ranges: str, argv: Sequence[str]) -> list[str]:
    """Return a command that runs another where /etc/subuid and /etc/subgid hold `ranges`; for root."""
    file = folder / "ranges"
    file.write_text(ranges)
    bind = 'mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && exec "$@"'
    return [*ENTER, "sh", "-c", bind, str(file), *argv]


class Account:
    """
    A user without root; use it in a `with`, as root.

    Args:
        ranges: whether it has subordinate ids.
        tun: the mode of /dev/net/tun; udev's rules (systemd's 50-udev-default.rules) have it open to all.
        lacking: programs of the host's that it has not.
        session: whether it has an XDG_RUNTIME_DIR, as who is logged in.
    """

    def __init__(
        self, ranges: bool = True, tun: int = 0o666, lacking: Sequence[str] = (), session: bool = True
    ) -> None:
        self.uid = _free_uid()
        self.first = RANGES + (self.uid - FIRST) * COUNT
        self.folder = Path(tempfile.mkdtemp(prefix="iso-", dir="/tmp"))  # podman takes no long path for what runs
        self.folder.chmod(0o755)
        self.home, runtime, temporary = (self.folder / name for name in ("home", "run", "tmp"))
        for own in (self.home, runtime, temporary):
            own.mkdir(mode=0o700)
            os.chown(own, self.uid, self.uid)
        self._fill_cache()
        self._tun = tun
        self._binds = [*self._account(ranges), *self._python()]
        self._environment = {
            "PATH": f"{self._programs_but(lacking) if lacking else os.defpath}:/usr/sbin:/sbin",
            "HOME": str(self.home),
            "TMPDIR": str(temporary),
            "USER": NAME,
            "LANG": "C.UTF-8",
            "COLUMNS": os.environ.get("COLUMNS", "200"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(self._packages),
            **({"XDG_RUNTIME_DIR": str(runtime)} if session else {}),
        }

    def _fill_cache(self) -> None:
        """Give the user the probe that is built already."""
        built = probe_binary().path.parent
        cache = self.home / ".cache" / "pytest-isolation"
        shutil.copytree(built, cache / built.name)
        for path in (cache.parent, cache, *cache.rglob("*")):
            os.chown(path, self.uid, self.uid)

    def _account(self, ranges: bool) -> list[tuple[Path, Path]]:
        """Write the account beside the host's own, and its ranges alone."""
        lines = {
            "passwd": f"{NAME}:x:{self.uid}:{self.uid}::{self.home}:/bin/sh\n",
            "group": f"{NAME}:x:{self.uid}:\n",
            "subuid": f"{NAME}:{self.first}:{COUNT}\n" if ranges else "",
            "subgid": f"{NAME}:{self.first}:{COUNT}\n" if ranges else "",
        }
        binds = []
        for name, line in lines.items():
            hosts = Path("/etc") / name
            kept = hosts.read_text() if name in ("passwd", "group") else ""
            (self.folder / name).write_text(kept + line)
            binds.append((self.folder / name, hosts))
        return binds

    def _programs_but(self, lacking: Sequence[str]) -> Path:
        """Make a folder of links to the host's programs but some."""
        folder = self.folder / "programs"
        folder.mkdir()
        for program in [*Path("/usr/bin").iterdir(), *Path("/bin").iterdir()]:
            if program.name not in lacking and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
        return folder

    def _python(self) -> list[tuple[Path, Path]]:
        """Bind the interpreter, this project and the packages: the way to them may be closed to who is not root."""
        base = Path(sys.base_prefix).resolve()
        self._interpreter = self.folder / "python" / Path(sys.executable).resolve().relative_to(base)
        self.project = self.folder / "project"
        binds = [(base, self.folder / "python"), (PROJECT, self.project)]
        found = dict.fromkeys(Path(part).resolve() for part in sys.path[1:])
        packages = [entry for entry in found if entry.is_dir() and not entry.is_relative_to(base)]
        binds += [(entry, self.folder / f"packages-{number}") for number, entry in enumerate(packages)]
        self._packages = [str(target) for _, target in binds[2:]]
        for _, target in binds:
            target.mkdir()
        (self.folder / "devices").mkdir()
        return binds

    def argv(self, *command: str, cwd: Path | None = None) -> list[str]:
        """Return what runs a command as this user."""
        binds = [str(path) for pair in self._binds for path in pair]
        ids = (f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups")
        words = [f"{key}={value}" for key, value in self._environment.items()]
        return [
            *(*ENTER, "sh", "-c", BIND, "sh", str(self.folder / "devices"), f"{self._tun:o}", *binds, "--"),
            *("setpriv", *ids, "env", "-i", f"--chdir={cwd or self.home}", *words, *command),
        ]

    def pytest(self, *args: str) -> list[str]:
        """Return a pytest with these arguments; relative paths are the project's."""
        plain = ("-p", "no:cacheprovider")  # the checkout is not this user's
        return self.argv(str(self._interpreter), "-m", "pytest", *plain, *args, cwd=self.project)

    def run(self, argv: Sequence[str], seconds: float = 900.0) -> subprocess.CompletedProcess[str]:
        """Run such a command to its end."""
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, cwd=self.folder
        )

    def processes(self) -> dict[int, str]:
        """Return the processes, zombies aside, of this user and its subordinate ids, with their names."""
        return _processes_of(self.uid, range(self.first, self.first + COUNT))

    def remove(self) -> None:
        """End what still runs, podman's pause process at least, and take the folder away."""
        kill_all([process for pid in self.processes() if (process := read_process(pid))], seconds=60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def _free_uid() -> int:
    """Return an id that nobody has and nothing runs as; of two runs at once each gets its own."""
    known = {user.pw_uid for user in pwd.getpwall()}
    for number in range(1000):
        uid = FIRST + (os.getpid() + number) % 1000
        if uid not in known and not _processes_of(uid, range(0)):
            return uid
    raise AssertionError(f"no user id from {FIRST} on is free")


def _processes_of(uid: int, subordinate: range) -> dict[int, str]:
    found = {}
    for file in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.partition(":")[::2] for line in file.read_text().splitlines())
        except OSError:
            continue
        ids = [int(word) for word in lines["Uid"].split()]
        theirs = uid in ids or any(one in subordinate for one in ids)
        if theirs and not lines["State"].strip().startswith("Z"):
            found[int(file.parent.name)] = lines["Name"].strip()
    return found


def main(how: str, *args: str) -> int:
    """Run pytest with its output where it belongs, and return its status."""
    here = [sys.executable, "-m", "pytest", *args]
    if how == "ranges":
        with tempfile.TemporaryDirectory(prefix="iso-") as folder:
            return subprocess.run(with_ranges(Path(folder), f"root:100000:{COUNT}\n", here)).returncode
    if os.geteuid() != 0:
        return subprocess.run(here).returncode
    with Account() as account:
        return subprocess.run(account.pytest(*args)).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
