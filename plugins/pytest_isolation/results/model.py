"""The results of a run as one versioned file, results.json, from which every report is drawn.

Out: a frozen `Results`, its file, and back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from provisioner.errors import IsolationError
from provisioner.files.folder import Folder
from provisioner.observed import FactsError, check_json, first_fault
from pytest_isolation.escape import escape
from pytest_isolation.policy.verdict import SEVERITIES, Judgement, Verdict

SCHEMA = 1
RESULTS = "results.json"
MAX_BYTES = 64 << 20


def _clean(value: object) -> object:
    return escape(value) if isinstance(value, str) else value


Line = Annotated[str, BeforeValidator(_clean)]  # safe for JSON and terminals


class Part(BaseModel):
    """A part of the file: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Setting(Part):
    """One setting of the run, and where it came from: the command line or an ini file."""

    name: Line
    value: Line
    source: Line


class Run(Part):
    """The run, or the runs that were merged.  Times are seconds since 1970."""

    ids: tuple[Line, ...] = ()
    started: float | None = None
    ended: float | None = None
    tools: tuple[Line, ...] = ()  # "pytest-isolation 0.1.0"
    policies: tuple[Line, ...] = ()  # "as documented", "baseline@1"
    settings: tuple[Setting, ...] = ()
    moved: tuple[Line, ...] = ()  # what changed outside during a run, and must not have: a finding of the run
    interrupted: tuple[Line, ...] = ()  # of a run that was interrupted: "12 of 133 checks judged"
    not_judged: tuple[Line, ...] = ()  # checks of the bundled suite without a verdict, and why: the results are a part


class Host(Part):
    """
    A host of targets.

    `accelerator` is what runs VMs there, and why: "tcg: /dev/kvm is missing".  `unseen` says why it was not observed:
    its kernel is then known from inside the sandbox.
    """

    id: Line
    kernel: Line = ""
    arch: Line = ""
    cgroup: Line = ""
    lsm: Line = ""
    accelerator: Line = ""
    unseen: Line = ""


class Target(Part):
    """
    A column of the matrix: kind x runtime x host.

    `times` are seconds by name: "hello", "facts".  `not_asked` are the reasons why checks were not asked of a target
    that this run did not make as a role says: an attached sandbox, the place that pytest runs in, a command line.
    """

    id: Line
    kind: Literal["container", "vm"]
    class_: Line = Field(default="", alias="class")
    runtime: Line = ""
    host: Line = ""
    versions: dict[Line, Line] = {}
    times: dict[Line, float] = {}
    not_asked: tuple[Line, ...] = ()


class Check(Part):
    """A check: one named part of the wall.  `profile` is a level, or a level for each kind."""

    id: Line
    version: int = 1
    severity: Literal["critical", "high", "medium", "low"] = "medium"
    profile: Line | dict[Line, Line] = ""
    title: Line = ""
    refs: tuple[Line, ...] = ()
    gains: Line = ""
    remedy: Line = ""


class Evidence(Part):
    """The facts of a cell as seen from inside and from outside, one fact a line."""

    inside: tuple[Line, ...] = ()
    outside: tuple[Line, ...] = ()


class Figures(Part):
    """
    What a limit came to under its load (provisioner/limits/figures.py); amounts are in `unit`.

    An amount is null where there is none, or where it was not observed.
    """

    unit: Line
    allotted: float
    inside: float | None = None
    outside: float | None = None
    measured: float | None = None
    overshoot: float | None = None
    text: Line = ""
    set_by: Line = ""


class Cell(Part):
    """One check on one target.  `figures` are those of a check of a limit that was put under load."""

    check: Line
    version: int = 1
    target: Line
    verdict: Verdict
    judgement: Judgement
    waiver: Line = ""
    reason: Line = ""
    source: Line = ""
    evidence: Evidence = Evidence()
    reproduce: Line = ""
    remedy: Line = ""  # for the target's runtime; "" if there is nothing to do
    figures: Figures | None = None


class Visible(Part):
    """
    What a sandbox sees of memory or processors beside what it may use; amounts are in `unit`.

    Attributes:
        target: the target.
        resource: "memory" or "processors".
        unit: "bytes" or "processors".
        usable: the least of its limits and of what the host has; null if none was observed.
        shown: what each interface tells, and what run-times take from it, by name; null is "no limit".
        lxcfs: files that LXCFS serves in it.
    """

    target: Line
    resource: Literal["memory", "processors"]
    unit: Line
    usable: float | None = None
    shown: dict[Line, float | None] = {}
    lxcfs: tuple[Line, ...] = ()


class Skipped(Part):
    """What was left out, why, and what to do about it."""

    what: Line
    reason: Line
    mend: Line = ""


class AttachedComparison(Part):
    """
    An attached sandbox, compared with a stock one of the same runtime.

    `weaker` names the checks that hold only in the stock one, `stronger` those that hold only in the attached one.
    `compared` counts the checks that were observed in both.  `reason` says why there is no stock one.
    """

    target: Line
    fresh: Line = ""
    weaker: tuple[Line, ...] = ()
    stronger: tuple[Line, ...] = ()
    compared: int = 0
    reason: Line = ""


class Note(Part):
    """
    A known flaw that affects the version of a target; `standing` is "unknown" if the build may contain the fix.

    It changes no verdict and no exit status.  The cells of its checks say whether the sign of the flaw is there.
    """

    target: Line
    known: Line
    title: Line = ""
    component: Line
    version: Line
    standing: Literal["in range", "unknown"]
    range: Line
    fixed: Line = ""
    checks: tuple[Line, ...] = ()
    sign: Line = ""
    source: Line = ""


class Reached(Part):
    """
    By which protocols one member of a network reached a service of another.

    `source` and `target` are members, `service` one of facts.network.Attempt.  `protocols` are those that reached it:
    "tcp", or "tcp6" over IPv6.  `flushed` are those that did so only after the host's packet filter was cleared.
    """

    source: Line
    target: Line
    service: Line
    protocols: tuple[Line, ...] = ()
    flushed: tuple[Line, ...] = ()


class Network(Part):
    """The networks of a target, as they were tried: how many tries, the seconds that they took, who reached whom."""

    target: Line
    tries: int
    seconds: float
    reached: tuple[Reached, ...]


class Results(Part):
    """The whole file.  Lists are sorted and contain no key twice, so that equal results are equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="results.json of pytest-isolation")
    schema_: Literal[1] = Field(default=1, alias="schema")
    run: Run = Run()
    hosts: tuple[Host, ...] = ()
    targets: tuple[Target, ...] = ()
    checks: tuple[Check, ...] = ()
    cells: tuple[Cell, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    beside: tuple[AttachedComparison, ...] = ()
    notes: tuple[Note, ...] = ()
    networks: tuple[Network, ...] = ()
    visible: tuple[Visible, ...] = ()

    def findings(self) -> list[Cell]:
        """Return the cells that are findings, the worst first."""
        rank = {severity: index for index, severity in enumerate(SEVERITIES)}
        severities = {(check.id, check.version): rank[check.severity] for check in self.checks}
        found = [cell for cell in self.cells if cell.judgement is Judgement.FINDING]
        return sorted(found, key=lambda cell: (severities.get((cell.check, cell.version), 2), cell.check, cell.target))


def dump_results(results: Results) -> bytes:
    """Return the content of results.json."""
    return (results.model_dump_json(by_alias=True, indent=1) + "\n").encode()


def write_results(results: Results, folder: Folder) -> None:
    """Write FOLDER/results.json whole or not at all."""
    folder.write_whole(RESULTS, dump_results(results))


def load_results(path: Path) -> Results:
    """
    Read a results.json, or the one in a directory.

    Raises:
        IsolationError: the file cannot be read, or is not a results.json of a known schema.
    """
    file = path / RESULTS if path.is_dir() else path
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise IsolationError(f"cannot read '{file}': {error.strerror}") from None
    return parse_results(data, str(file))


def parse_results(data: bytes, name: str) -> Results:
    """
    Parse a results.json.

    Args:
        data: the bytes.
        name: what an error calls them.

    Raises:
        IsolationError: the bytes are not a results.json of a known schema.
    """
    hint = f"it should be a results.json of schema {SCHEMA}"
    try:
        check_json(data, f"results '{name}'", MAX_BYTES)
        results = Results.model_validate_json(data)
    except FactsError as error:
        raise IsolationError(error.what, hint) from None
    except ValidationError as error:
        raise IsolationError(f"cannot read '{name}': {first_fault(error)}", hint) from None
    checks = {(check.id, check.version) for check in results.checks}
    for cell in results.cells:
        if (cell.check, cell.version) not in checks:
            raise IsolationError(f"cannot read '{name}': its checks lack '{cell.check}' {cell.version}", hint)
    return results
