"""A machine for the converging tests that is none: this one's root folder with a layer over it that takes all writes.

`LayerConnection` implements Connection (connection/local.py).  Each command gets a mount namespace of its own, in
which the layer is mounted; nothing is mounted here, and nothing of this machine changes but what is not below its root:
the kernel.  So tests write no kernel setting outside a network namespace (`network=False`), and load no module.
`FAKE_SYSTEMCTL` stands in for systemd.  `ScriptedConnection` is a machine whose answers are written beforehand;
`ModelMachine` one that does what a plan says.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from provisioner.connection.local import Completed, LocalConnection, Stream
from provisioner.converge.kinds import Change
from provisioner.converge.resources import file, module, package, sysctl
from provisioner.converge.resources.service.units import HELD, PresentService, Services, WantedService
from provisioner.converge.state import Present, Wanted
from provisioner.errors import IsolationError

ENTER = """\
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root" &&
mount -t proc proc "$2/root/proc" &&
mount --rbind /dev "$2/root/dev" &&
mkdir -p "$2/root/run/lock" &&
top=$2 && shift 2 && exec chroot "$top/root" "$@"
"""
# Units are files in /lib/systemd/system; they run when a file of theirs lies in /var/lib/fake/active.
FAKE_SYSTEMCTL = """\
#!/bin/sh
top=/etc/systemd/system fake=/var/lib/fake verb= runtime= names= skip=
for word; do
  if [ -n "$skip" ]; then skip=; continue; fi
  case $word in
    --runtime) runtime=1;;
    -p) skip=1;;
    -*) ;;
    *) if [ -z "$verb" ]; then verb=$word; else names="$names $word"; fi;;
  esac
done
mkdir -p $fake/active /run/systemd/system $top/multi-user.target.wants
echo "$verb$names" >>$fake/calls
for name in $names; do
  wants=$top/multi-user.target.wants/$name load=not-found active=inactive enabled=
  if [ -e /lib/systemd/system/$name ]; then load=loaded enabled=disabled; fi
  if [ -h $wants ]; then enabled=enabled; fi
  if [ -h $top/$name ]; then load=masked enabled=masked; fi
  if [ -h /run/systemd/system/$name ]; then load=masked enabled=masked-runtime; fi
  if [ -e $fake/active/$name ]; then active=active; fi
  case $verb in
    list-units) [ $active = inactive ] || printf '%-20s %s %s running Some words\\n' $name $load $active;;
    show) printf 'Id=%s\\nLoadState=%s\\nActiveState=%s\\nUnitFileState=%s\\n\\n' $name $load $active $enabled;;
    start|restart)
      if [ $load != loaded ]; then echo "Failed to $verb $name: Unit $name not found." >&2; exit 5; fi
      if grep -q FAILS /lib/systemd/system/$name; then echo "Job for $name failed because." >&2; exit 1; fi
      : >$fake/active/$name;;
    stop) rm -f $fake/active/$name;;
    enable) ln -sf /lib/systemd/system/$name $wants;;
    disable) rm -f $wants;;
    mask) ln -sfn /dev/null /run/systemd/system/$name;;
    unmask) if [ -n "$runtime" ]; then rm -f /run/systemd/system/$name; else rm -f $top/$name; fi;;
  esac
done
"""
# the conditions of a unit hold unless its file says so
FAKE_ANALYZE = """\
#!/bin/sh
if grep -q UNMET /lib/systemd/system/${2#--unit=}; then echo 'Conditions failed.' >&2; exit 1; fi
echo 'Conditions succeeded.' >&2
"""
FAKE_JOURNALCTL = """\
#!/bin/sh
echo 'the journal says why'
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

    def run(
        self, argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None, inside: bool = False
    ) -> Completed:
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
    def _service(wanted: Mapping[str, WantedService], present: Services, change: Change) -> Services:
        unit = present.units.get(change.name, PresentService("loaded", "inactive", "disabled"))
        for aspect in change.aspects:
            if aspect.after in ("unmasked", HELD):
                unit = replace(unit, load="loaded", enabled="disabled" if "masked" in unit.enabled else unit.enabled)
            if aspect.after == HELD:
                unit = replace(unit, active="inactive", enabled="enabled", due=False, reload=False)
            if aspect.after == "read again":
                unit = replace(unit, reload=False)
            if aspect.what == "boot":
                unit = replace(unit, enabled=aspect.after)
            if aspect.what == "state":
                unit = replace(unit, active={"started": "active", "stopped": "inactive"}[aspect.after])
            if aspect.what == "restart":
                unit = replace(unit, due=False)
        return Services({**present.units, change.name: unit})


class ScriptedStream:
    """A script that "runs": what it prints was written beforehand, and then it ends or hangs."""

    pid = 1

    def __init__(self, said: bytes, errors: bytes, hangs: bool) -> None:
        self._chunks = (said[at : at + 7] for at in range(0, len(said), 7))
        self._errors = errors
        self._hangs = hangs
        self._killed = threading.Event()
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        self.written += data

    def read(self) -> bytes:
        if chunk := next(self._chunks, b""):
            return chunk
        if self._hangs:
            self._killed.wait(20)
        return b""

    def end_input(self) -> None:
        pass

    def errors(self) -> bytes:
        return self._errors

    def wait(self, seconds: float) -> int | None:
        return None if self._hangs else 0

    def kill(self) -> None:
        self._killed.set()


class ScriptedConnection:
    """
    A machine whose answers are written beforehand, one for each script that is started there.

    Args:
        answers: what is printed, word by word; an error stands for a machine that cannot be reached.
        errors: what each says on its error stream.
        hangs: each stays open at the end of its answer.
    """

    def __init__(
        self, *answers: bytes | IsolationError, name: str = "web", errors: bytes = b"", hangs: bool = False
    ) -> None:
        self.name = name
        self.streams: list[ScriptedStream] = []
        self._answers = list(answers)
        self._errors = errors
        self._hangs = hangs

    def find(self, binary: str) -> str | None:
        return None

    def run(
        self, argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None, inside: bool = False
    ) -> Completed:
        raise AssertionError("converging runs scripts only")

    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: str | None = None) -> Stream:
        answer = self._answers.pop(0)
        if isinstance(answer, IsolationError):
            raise answer
        self.streams.append(ScriptedStream(answer, self._errors, self._hangs))
        return self.streams[-1]


def words(*said: str) -> bytes:
    """Return words as a script prints them."""
    return b"".join(word.encode() + b"\0" for word in said)


def aspects(changes: Sequence[Change]) -> list[tuple[str, str, str, str]]:
    """Return each difference of changes: the name, what differs, the state before and after."""
    return [(change.name, one.what, one.before, one.after) for change in changes for one in change.aspects]
