"""What a check observed, and the cell that carries it: verdict, judgement, check, cell.

In: the exception that ended a check, and the marker on a check's function.
Out: `Verdict`, `Check`, `Cell`, all frozen.
Imports only the standard library and pytest, because plugin.py loads it in every pytest run.  Decides no policy.
"""

from __future__ import annotations

import dataclasses
import json
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest

from provisioner.errors import IsolationError, UnobservedFact
from provisioner.files.suggest import suggest
from pytest_isolation.policy.parameters import base_of, own_ids
from pytest_isolation.policy.raised import Ignored, Refused

KINDS = ("container", "vm")
LEVELS = ("privileged", "baseline", "restricted")
SEVERITIES = ("critical", "high", "medium", "low")
MAX_REASON = 300
_CHECK_ID = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")


class Verdict(StrEnum):
    """What was observed."""

    HOLDS = "holds"
    OPEN = "open"
    IGNORED = "ignored"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"


class Judgement(StrEnum):
    """What the policy makes of a verdict."""

    OK = "ok"
    DOCUMENTED = "documented"
    WAIVED = "waived"
    BETTER = "better"
    FINDING = "finding"
    NONE = "none"


RANKS = (Judgement.NONE, Judgement.OK, Judgement.BETTER, Judgement.DOCUMENTED, Judgement.WAIVED, Judgement.FINDING)


def is_node_id(check: str) -> bool:
    """Tell whether a check's id is the node id of a user's test; the ids of its parameters may hold any character."""
    return "::" in check and re.fullmatch(rf"{_CHECK_ID.pattern}\[.*\]", check, re.DOTALL) is None


@dataclass(frozen=True)
class Check:
    """
    One named wall, as the marker `isolation` on its function describes it.

    Attributes:
        id: such as "ns.pid"; for a user's test without a marker, its node id.
        title: the claim, from the first line of the docstring.
        severity: what an attacker gains without the wall, one of SEVERITIES.
        profile: the level that requires it, or pairs of kind and level; "": no profile requires it.
        refs: sources: man pages, kernel docs, benchmarks, CVEs.
        gains: what an attacker inside gains if it is open, as a verb phrase.
        remedy: what fixes it on any runtime.
        shows: dotted paths of the facts that a report shows as evidence.
        reproduce: a command that shows the same without this tool.
        kinds: the kinds of targets that it applies to.
        kinds_reason: why it does not apply to the others.
        active: whether it acts on the sandbox (loads, reaches) instead of reading facts.  A check that acts on this
            run's own sandboxes and reads facts of an attached one (`isolation_active(only_own=True)`) is not.
        nodeid: pytest's node id, without parameters.
        version: of the check's meaning.
        documented_as: a bundled check; where its open wall is documented, that of this test is, too.
    """

    id: str
    title: str = ""
    severity: str = "medium"
    profile: str | tuple[tuple[str, str], ...] = ""
    refs: tuple[str, ...] = ()
    gains: str = ""
    remedy: str = ""
    shows: tuple[str, ...] = ()
    reproduce: str = ""
    kinds: tuple[str, ...] = KINDS
    kinds_reason: str = ""
    active: bool = False
    nodeid: str = ""
    version: int = 1
    documented_as: str = ""

    @property
    def is_own(self) -> bool:
        """Whether it is a user's test without a marker: its id is the node id."""
        return is_node_id(self.id)

    def level_for(self, kind: str) -> str:
        """Return the lowest profile level that requires this check of targets of `kind`; "" if none does."""
        return self.profile if isinstance(self.profile, str) else dict(self.profile).get(kind, "")


@dataclass(frozen=True)
class Cell:
    """
    One check on one target: what was observed, how it is judged, and the evidence.

    Attributes:
        check: the check.
        target: the target's id.
        verdict: what was observed.
        judgement: what the policy makes of it.
        reason: why, in one line.
        source: the runtime's documentation of it; "" if it is not documented.
        waiver: the name of the waiver that covers it; "" if none does.
        inside: the evidence as seen from inside, one fact a line.
        outside: the same from outside.
        reproduce: a command that shows the same without this tool.
        remedy: what fixes it on this runtime; "" if it holds.
        known: for a finding, the known flaws with this sign.
    """

    check: Check
    target: str
    verdict: Verdict
    judgement: Judgement
    reason: str = ""
    source: str = ""
    waiver: str = ""
    inside: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    reproduce: str = ""
    remedy: str = ""
    known: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, dicts and strings, for a report's user_properties."""
        found: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cell:
        """Return the cell that to_dict wrote."""
        return cls(
            **{
                **_tuples(data),
                "check": check_from_dict(data["check"]),
                "verdict": Verdict(data["verdict"]),
                "judgement": Judgement(data["judgement"]),
            }
        )


def check_from_dict(data: Mapping[str, Any]) -> Check:
    """Return the check that dataclasses.asdict wrote, after a trip through JSON."""
    return Check(**_tuples(data))


def _tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _tuple(value) if isinstance(value, list) else value for key, value in data.items()}


def _tuple(value: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_tuple(item) if isinstance(item, list) else item for item in value)


def verdict_of(outcome: BaseException | pytest.ExceptionInfo[BaseException] | None) -> tuple[Verdict, str]:
    """
    Return what a check observed, from how it ended.

    Args:
        outcome: None if it returned, otherwise its exception or pytest's ExceptionInfo.

    Returns:
        The verdict and its reason in one line; the reason of `holds` is "".
    """
    error = outcome.value if isinstance(outcome, pytest.ExceptionInfo) else outcome
    if error is None:
        return Verdict.HOLDS, ""
    if isinstance(error, pytest.skip.Exception):
        return Verdict.NOT_APPLICABLE, _one_line(str(error.msg))
    if isinstance(error, AssertionError):
        named = {Ignored: Verdict.IGNORED, Refused: Verdict.REFUSED}
        return next((verdict for kind, verdict in named.items() if isinstance(error, kind)), Verdict.OPEN), _why(error)
    if isinstance(error, (IsolationError, UnobservedFact)):
        return Verdict.UNKNOWN, _one_line(str(error))
    line = _last_line(error)  # it names the fact
    at = f" at '{line}'" if line and not line.startswith("raise ") else ""
    return Verdict.UNKNOWN, _one_line(f"{type(error).__name__}: {error}{at}")


def _why(error: AssertionError) -> str:
    """
    Return the message that the check's author wrote, otherwise the source line of the assertion.

    pytest's assertion rewriting puts values into the message, and `isolation judge` runs without it: the source line is
    the same in both.
    """
    text = _one_line(str(error))
    if text and not text.startswith("assert "):
        return text
    claim = source if (source := _last_line(error)).startswith("assert ") else text
    return _one_line(f"not true: {claim.removeprefix('assert ')}") if claim else type(error).__name__


def _last_line(error: BaseException) -> str:
    return next((frame.line or "" for frame in traceback.extract_tb(error.__traceback__, limit=-1)), "")


def _one_line(text: str) -> str:
    lines = text.strip().splitlines()
    line = lines[0].strip() if lines else ""
    return line if len(line) <= MAX_REASON else line[: MAX_REASON - 1] + "…"


_DERIVED = ("id", "title", "active", "nodeid", "documented_as")
_MARKER_KEYS = tuple(field.name for field in dataclasses.fields(Check) if field.name not in _DERIVED)


def check_of(test: Any) -> Check:
    """
    Return the check that a test is; parameters that the test itself asks for become part of the check's id.

    Args:
        test: a pytest item, or a plain function with the marker.

    Raises:
        pytest.UsageError: the marker has an unknown key or value; names the test and the nearest one.
    """
    function = getattr(test, "obj", test)
    base = base_of(test)
    ids = own_ids(test)
    suffix = f"[{'-'.join(ids)}]" if ids else ""
    marks = list(_marks(test))
    doc = (getattr(function, "__doc__", None) or "").strip().splitlines()
    title = doc[0].strip().removesuffix(".") if doc else str(getattr(function, "__name__", base)).replace("_", " ")
    mark = next((m for m in marks if m.name == "isolation"), None)
    active = any(m.name == "isolation_active" and not m.kwargs.get("only_own") for m in marks)
    documented_as = _documented_as(marks, base)
    plain = Check(id=base + suffix, title=title, active=active, nodeid=base, documented_as=documented_as)
    if mark is None:
        return plain
    _check_marker(mark, base)
    values = dict(mark.kwargs)
    for key in ("refs", "shows", "kinds"):
        if key in values:
            values[key] = tuple(values[key])
    if isinstance(values.get("profile"), Mapping):
        values["profile"] = tuple(sorted(values["profile"].items()))
    return dataclasses.replace(plain, id=mark.args[0] + suffix, **values)


def _documented_as(marks: Iterable[pytest.Mark], nodeid: str) -> str:
    mark = next((m for m in marks if m.name == "isolation_documented"), None)
    if mark is None:
        return ""
    if mark.kwargs or len(mark.args) != 1 or not isinstance(mark.args[0], str):
        raise pytest.UsageError(f"{nodeid}: @pytest.mark.isolation_documented takes the id of one bundled check")
    from pytest_isolation.policy.expected import bundled_ids

    if mark.args[0] not in bundled_ids():
        near = suggest(mark.args[0], bundled_ids(), "`isolation checks` lists them")
        raise pytest.UsageError(f"{nodeid}: isolation_documented: there is no bundled check '{mark.args[0]}'; {near}")
    return str(mark.args[0])


def _marks(test: Any) -> Iterable[pytest.Mark]:
    if hasattr(test, "iter_markers"):
        yield from test.iter_markers()
        return
    for mark in getattr(test, "pytestmark", ()):
        yield getattr(mark, "mark", mark)


def _check_marker(mark: pytest.Mark, nodeid: str) -> None:
    if not mark.args:
        raise pytest.UsageError(f"{nodeid}: @pytest.mark.isolation needs an id such as 'mine.no_root'")
    if len(mark.args) > 1 or not all(isinstance(arg, str) and _CHECK_ID.fullmatch(arg) for arg in mark.args):
        raise pytest.UsageError(f"{nodeid}: @pytest.mark.isolation takes one id such as 'ns.pid', not {mark.args!r}")
    for key in mark.kwargs:
        _require(key, _MARKER_KEYS, "key", nodeid)
    values = mark.kwargs
    _require(values.get("severity", "medium"), SEVERITIES, "severity", nodeid)
    profile = values.get("profile", "")
    by_kind = profile if isinstance(profile, Mapping) else dict.fromkeys(KINDS, profile)
    for kind, level in by_kind.items():
        _require(kind, KINDS, "kind", nodeid)
        _require(level, (*LEVELS, ""), "profile", nodeid)
    for key in ("refs", "shows", "kinds"):
        if isinstance(values.get(key, ()), str) or not all(isinstance(item, str) for item in values.get(key, ())):
            raise pytest.UsageError(f"{nodeid}: {key} of @pytest.mark.isolation must be a list of strings")
    for key in ("gains", "remedy", "reproduce", "kinds_reason"):
        if not isinstance(values.get(key, ""), str):
            raise pytest.UsageError(f"{nodeid}: {key} of @pytest.mark.isolation must be a string")
    for kind in values.get("kinds", ()):
        _require(kind, KINDS, "kind", nodeid)


def _require(value: object, known: Sequence[str], what: str, nodeid: str) -> None:
    if value in known:
        return
    names = [name for name in known if name]
    mend = suggest(str(value), names, f"known: {', '.join(names)}")
    raise pytest.UsageError(f"{nodeid}: unknown {what} '{value}' in @pytest.mark.isolation; {mend}")
