"""A machine for the converging tests that is none: this one's root folder with a layer over it that takes all writes.

`LayerConnection` implements provisioner.connection.Connection.  Each command gets a mount namespace of its own, in
which the layer is mounted; nothing is mounted here, and nothing of this machine changes but what is not below its root:
the kernel.  So tests write no kernel setting outside a network namespace (`network=False`), and load no module.
`FAKE_SYSTEMCTL` stands in for systemd: units are files with three words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from provisioner.connection import Completed, LocalConnection, Stream
from provisioner.converge.kinds import Change
from provisioner.converge.resources import file, module, package, service, sysctl
from provisioner.converge.state import Present, Wanted

ENTER = """\
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root" &&
mount -t proc proc "$2/root/proc" &&
mount --rbind /dev "$2/root/dev" &&
mkdir -p "$2/root/run/lock" &&
top=$2 && shift 2 && exec chroot "$top/root" "$@"
"""
# unit files hold: load active enabled; every start is a line of its own in /var/lib/fake/starts
FAKE_SYSTEMCTL = """\
#!/bin/sh
units=/var/lib/fake/units
verb=$1; shift
case $verb in is-system-running|daemon-reload|reset-failed) exit 0;; esac
names=; after=
for word; do
  case $word in --) after=1;; *) [ -z "$after" ] || names="$names $word";; esac
done
for name in $names; do
  load=not-found active=inactive enabled=
  [ ! -e $units/$name ] || read -r load active enabled <$units/$name
  case $verb in
    show) printf 'LoadState=%s\\nActiveState=%s\\nUnitFileState=%s\\nNeedDaemonReload=no\\n\\n' $load $active $enabled;;
    start|restart|try-restart) echo "$verb $name" >>/var/lib/fake/starts; active=active;;
    stop) active=inactive;;
    enable) enabled=enabled;;
    disable) enabled=disabled;;
    unmask) load=loaded;;
  esac
  [ $verb = show ] || echo "$load $active $enabled" >$units/$name
done
"""


class LayerConnection:
    """
    Commands in a root folder whose changes are kept in a folder of the test.

    Args:
        folder: keeps the layer.
        lower: the root folder below it.
        network: False gives each command an empty network namespace of its own.
    """

    name = "layer"

    def __init__(self, folder: Path, lower: Path = Path("/"), network: bool = True) -> None:
        self._folder = folder
        self._lower = lower
        self._network = network
        for part in ("upper", "work", "root"):
            (folder / part).mkdir(exist_ok=True)
        self.starts = 0

    @property
    def upper(self) -> Path:
        """What was written, as far as it differs from what is below."""
        return self._folder / "upper"

    def give(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file into the layer, as an administrator's hand would."""
        argv = ["sh", "-c", 'mkdir -p "${1%/*}"; cat >"$1"; chmod "$2" "$1"', "sh", path, f"{mode:o}"]
        stream = self.start(argv)
        stream.write(text.encode())
        stream.end_input()
        assert stream.wait(20) == 0, stream.errors()
        stream.kill()
        self.starts -= 1

    def find(self, binary: str) -> str | None:
        done = self.run(["sh", "-c", 'command -v "$1"', "sh", binary], 20)
        return done.stdout.decode().strip() or None

    def run(self, argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None) -> Completed:
        return LocalConnection().run(self._enter(argv), timeout, env)

    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: str | None = None) -> Stream:
        self.starts += 1
        return LocalConnection().start(self._enter(argv), env, cwd)

    def _enter(self, argv: Sequence[str]) -> list[str]:
        spaces = ["--mount", *([] if self._network else ["--net"])]
        return ["unshare", *spaces, "sh", "-c", ENTER, "sh", str(self._lower), str(self._folder), *argv]


class ModelMachine:
    """A machine that does what a plan says, without any: kind by kind, aspect by aspect."""

    def __init__(self, present: Present) -> None:
        self.present = present

    def take(self, wanted: Wanted, changes: Sequence[Change]) -> None:
        """Carry changes out as the steps of each kind are meant to."""
        kinds = dict(self.present.kinds)
        for change in changes:
            settle = getattr(self, f"_{change.kind}")
            kinds[change.kind] = settle(wanted.kinds[change.kind], kinds[change.kind], change)
        self.present = Present(self.present.machine, kinds)

    @staticmethod
    def _package(wanted: Sequence[str], present: package.Packages, change: Change) -> package.Packages:
        if change.changes("journal"):
            return package.Packages(present.status, False)
        return package.Packages({**present.status, change.name: "installed"}, present.interrupted)

    @staticmethod
    def _file(
        wanted: Mapping[str, file.WantedFile], present: Mapping[str, file.PresentFile], change: Change
    ) -> dict[str, file.PresentFile]:
        one = wanted[change.name]
        now = present.get(change.name)
        kept = now.sha256 if now and not change.changes("content") else one.sha256
        mode, owner, group = one.mode, one.owner, one.group
        if now and not change.changes("content"):
            mode = one.mode if change.changes("mode") else now.mode
            owner, group = (one.owner, one.group) if change.changes("owner") else (now.owner, now.group)
        return {**present, change.name: file.PresentFile(0o100000, mode, owner, group, kept)}

    @staticmethod
    def _module(wanted: Sequence[str], present: module.Modules, change: Change) -> module.Modules:
        loaded = present.loaded | {change.name} if change.changes("now") else present.loaded
        return module.Modules(loaded, tuple(wanted) if change.changes("at boot") else present.boot)

    @staticmethod
    def _sysctl(wanted: Mapping[str, str], present: sysctl.Sysctls, change: Change) -> sysctl.Sysctls:
        now = {**present.now, change.name: wanted[change.name]} if change.changes("now") else present.now
        return sysctl.Sysctls(now, dict(wanted) if change.changes("at boot") else present.boot)

    @staticmethod
    def _service(
        wanted: Mapping[str, service.WantedService], present: service.Services, change: Change
    ) -> service.Services:
        unit = present.units.get(change.name, service.PresentService("loaded", "inactive", "disabled"))
        load, active, enabled, reload, due = unit.load, unit.active, unit.enabled, unit.reload, unit.due
        for aspect in change.aspects:
            reload = reload and aspect.after != "read again"
            load = "loaded" if aspect.after == "unmasked" else load
            if aspect.what == "boot":
                enabled = aspect.after
            if aspect.what == "state":
                active = {"started": "active", "stopped": "inactive"}[aspect.after]
            if aspect.what == "restart":
                due = False
        return service.Services(
            {**present.units, change.name: service.PresentService(load, active, enabled, reload, due)}
        )
