"""A machine that a test describes, for the doctor: the Protocol of LocalSystem; and looks that say what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from provisioner.connection.local import Completed
from provisioner.doctor.examine import examine
from provisioner.doctor.finding import Report, Seen, lacking, limited, ok, unknown
from provisioner.doctor.look import Look, find_looks
from provisioner.doctor.system import System
from provisioner.doctor.trial import Hello
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.probe.build import BuiltProbe
from provisioner.runtimes.runtime import Runtime

PROBE = BuiltProbe(Path("/cache/probe"), "0123456789abcdef", "musl-gcc")


class FakeSystem:
    """
    A machine with exactly these files, programs and runtimes.

    Args:
        files: texts by path; an OSError in place of a text is raised.
        programs: what is installed; for each what it prints, as (status, stdout, stderr), or "" for nothing.
        runtimes: what a trial gives, by the runtime's name with its option.
        probe: what `probe()` gives.
        root: whether the user is root.
        run: a journal for looks that make something.
    """

    architecture = "x86_64"

    def __init__(
        self,
        files: Mapping[str, str | OSError] | None = None,
        programs: Mapping[str, str | tuple[int, str, str]] | None = None,
        runtimes: Mapping[str, Hello | IsolationError] | None = None,
        probe: BuiltProbe | IsolationError = PROBE,
        root: bool = True,
        run: Run | None = None,
        folder: Path = Path("/run/scratch"),
    ) -> None:
        self.files = dict(files or {})
        self.programs = dict(programs or {})
        self.runtimes = dict(runtimes or {})
        self.built = probe
        self.root = root
        self.user = "root" if root else "alice"
        self.commands: list[list[str]] = []
        self.environments: list[dict[str, str]] = []
        self._run = run
        self._folder = folder

    def link(self, path: str) -> str | None:
        found = self.files.get(path)
        return found if isinstance(found, str) else None

    def read(self, path: str) -> str | None:
        found = self.files.get(path)
        if isinstance(found, OSError):
            raise found
        return found

    def find(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def run(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Completed:
        self.commands.append(list(argv))
        self.environments.append(dict(env or {}))
        says = self.programs[argv[0]]
        status, stdout, stderr = (0, says, "") if isinstance(says, str) else says
        return Completed(tuple(argv), status, stdout.encode(), stderr.encode())

    def journal(self) -> Run:
        assert self._run is not None, "this test's look makes something"
        return self._run

    def folder(self) -> Path:
        return self._folder

    def probe(self) -> BuiltProbe:
        if isinstance(self.built, IsolationError):
            raise self.built
        return self.built

    def try_runtime(self, runtime: Runtime) -> Hello:
        option = runtime.conditions.get("option", "default")
        found = self.runtimes[runtime.name if option == "default" else f"{runtime.name}+{option}"]
        if isinstance(found, IsolationError):
            raise found
        return found


def ask(group: str, name: str, system: System, also: Sequence[str] = ()) -> Seen:
    """Ask one look of the real registry."""
    found = [one for one in _looks(tuple(also)) if (one.group, one.name) == (group, name)]
    assert len(found) == 1, f"{len(found)} looks at {group}/{name}"
    return found[0].ask(system)


@cache
def _looks(also: tuple[str, ...]) -> list[Look]:
    return find_looks(also)


def saying(seen: Seen) -> Callable[[System], Seen]:
    return lambda system: seen


GOOD = Look("host", "roof", saying(ok("is tight")))
PRICED = Look("host", "door", saying(limited("is open", "it is cold", "shut it", "gently")))
LACK = Look("host", "floor", saying(lacking("is not there", "nothing stands", "lay a floor")))
LOOKS = [GOOD, PRICED, LACK, Look("users", "name", saying(unknown("nobody says")))]


def report_of(*looks: Look) -> Report:
    return examine(looks, FakeSystem())
