"""All that is known of each check and of each known flaw, as text for the command line and the reference page.

In: the suite's checks, known flaws.  Out: lines, rows and Markdown.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_isolation.policy.verdict import KINDS, Check
from pytest_isolation.report.matrix import AREAS, area_of
from pytest_isolation.results.known import Known

HEAD = """\
# The checks

{count} checks, as `isolation checks` lists them.
This page is made from the code by `script/reference`.
A check's *severity* says what an attacker gains without it, its *profile* is the weakest one that demands it.
"""
Rows = Mapping[str, Sequence[str]]


def list_checks(checks: Iterable[Check]) -> list[str]:
    """Return a line for each check: id, severity, profile, claim."""
    checks = list(checks)
    width = max((len(check.id) for check in checks), default=0)
    return [
        f"{check.id:<{width}}  {check.severity:<8}  {_levels(check):<22}  {check.title}"
        for check in sorted(checks, key=lambda check: (area_of(check.id), check.id))
    ]


def describe_check(check: Check, known: Iterable[Known] = (), remedies: Mapping[str, str] | None = None) -> list[str]:
    """
    Return the lines about one check.

    Args:
        check: the check.
        known: the known flaws with a sign that it sees.
        remedies: what fixes it, by runtime.
    """
    rows = {
        "claim": check.title,
        "without it": f"an attacker inside {check.gains}" if check.gains else "",
        "severity": check.severity,
        "profile": _levels(check),
        "applies to": _kinds(check),
        "remedy": check.remedy,
        "see it": check.reproduce,
        "facts": ", ".join(check.shows),
        "sources": ", ".join(check.refs),
        "flaws": ", ".join(f"{one.id} ({one.component})" for one in known),
    }
    lines = [check.id, *(f"  {name + ':':<12}{text}" for name, text in rows.items() if text)]
    return [*lines, *(f"  on {runtimes}: {text}" for text, runtimes in _together(remedies or {}))]


KNOWN_HEADINGS = ("flaw", "of", "versions", "seen by", "sign")


def known_rows(known: Iterable[Known]) -> list[tuple[str, ...]]:
    """Return a row under KNOWN_HEADINGS for each known flaw."""
    return [(one.id, one.component, one.range, ", ".join(one.checks), one.sign) for one in known]


def describe_known(known: Known) -> list[str]:
    """Return the lines about one known flaw."""
    rows = {
        "what it was": known.title,
        "of": known.component,
        "versions": known.range,
        "fixed in": ", ".join(known.fixed),
        "Debian": ", ".join(known.debian),
        "seen by": ", ".join(known.checks),
        "its sign": known.sign,
        "source": known.source,
        "read in": known.read,
    }
    return [known.id, *(f"  {name + ':':<13}{text}" for name, text in rows.items() if text)]


def render_reference(
    checks: Iterable[Check],
    plants: Rows,
    seen: Rows,
    known: Mapping[str, Sequence[Known]],
    remedies: Mapping[str, Mapping[str, str]],
) -> str:
    """
    Return the reference page.

    Args:
        checks: all of them.
        plants: check id to the weaknesses that open it in a live sandbox.
        seen: check id to where and when a plant was last seen to open it.
        known: check id to the known flaws with a sign that it sees.
        remedies: check id to what fixes it, by runtime.
    """
    checks = sorted(checks, key=lambda check: (area_of(check.id), check.id))
    parts = [HEAD.format(count=len(checks))]
    area = ""
    for check in checks:
        if area_of(check.id) != area:
            area = area_of(check.id)
            parts.append(f"\n## {AREAS.get(area, area)}\n")
        rows = (plants.get(check.id, ()), seen.get(check.id, ()), known.get(check.id, ()), remedies.get(check.id, {}))
        parts.append(_section(check, *rows))
    return "\n".join(parts)


def _section(
    check: Check, plants: Sequence[str], seen: Sequence[str], known: Sequence[Known], remedies: Mapping[str, str]
) -> str:
    rows = {
        "severity": f"{check.severity}, demanded by {_levels(check)}",
        "applies to": _kinds(check),
        "without it": f"an attacker inside {plain(check.gains)}",
        "remedy": plain(check.remedy) + "".join(f"\n  - {names}: {plain(text)}" for text, names in _together(remedies)),
        "see it yourself": f"`{check.reproduce}`" if "`" not in check.reproduce else f"`` {check.reproduce} ``",
        "facts": ", ".join(f"`{name}`" for name in check.shows),
        "sources": plain(", ".join(check.refs)),
        "opened by": plain("; ".join(plants)) or "recorded facts alone (tests/weaknesses/synthetic)",
        "last seen": plain("; ".join(seen)) or "not on these machines",
    }
    lines = [f"### {check.id}", "", f"{plain(check.title)}.", ""]
    if known:
        signs = (f"{plain(one.id)} ({one.component} `{one.range}`): {plain(one.sign)}" for one in known)
        rows["known flaws"] = "; ".join(signs)
    return "\n".join([*lines, *(f"- {name}: {text}" for name, text in rows.items()), ""])


def _together(remedies: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return each remedy once, with its runtimes."""
    found: dict[str, list[str]] = {}
    for runtime, text in remedies.items():
        found.setdefault(text, []).append(runtime)
    return [(text, ", ".join(runtimes)) for text, runtimes in found.items()]


def _levels(check: Check) -> str:
    by_kind = {kind: check.level_for(kind) for kind in KINDS}
    if len(set(by_kind.values())) == 1:
        return by_kind[KINDS[0]] or "no profile"
    return ", ".join(f"{level} ({kind})" for kind, level in by_kind.items() if level)


def _kinds(check: Check) -> str:
    if set(check.kinds) == set(KINDS):
        return "containers and VMs"
    return f"only {' and '.join(check.kinds)}s: {check.kinds_reason}"


def plain(text: str) -> str:
    """Return the text without Markdown markup: special characters are escaped."""
    return "".join(f"\\{letter}" if letter in "\\`*_<>[]|" else letter for letter in text)
