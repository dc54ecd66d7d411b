"""Who reached whom over the network: from the tries of a record to a table of sources and services.

In: a `Record`, or a `Network` of results.
Out: `Network`; rows of text.  Needs no sandbox.
"""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.facts.network import Attempt, NetworkSeen
from pytest_isolation.records.record import Record
from pytest_isolation.results.model import Network, Reached
from pytest_isolation.walls.network import PLACES

CLOSED, UNTRIED = "closed", "-"
SOURCES = ("sandbox", "peer", "other", "none", "host", "lan")
HEADINGS = {"loopback": "host's loopback", "published_local": "published locally"}  # others are named by their place


def network_of(record: Record) -> Network | None:
    """Return who reached whom on a target; None if that was not tried."""
    seen = record.raw("network")
    if not isinstance(seen, NetworkSeen):
        return None
    before = _protocols(seen.attempts)
    flushed = seen.raw("flushed")
    after = _protocols(flushed) if isinstance(flushed, list) else {}
    rows = [
        Reached(
            source=source,
            target=target,
            service=service,
            protocols=tuple(sorted(protocols)),
            flushed=tuple(sorted(after.get((source, target, service), set()) - protocols)),
        )
        for (source, target, service), protocols in before.items()
    ]
    return Network(target=record.target.id, tries=len(seen.attempts), seconds=seen.seconds, reached=tuple(rows))


def headings() -> tuple[str, ...]:
    """Return the headings of `rows_of`."""
    return ("FROM", *(name.upper() for name in columns()))


def columns() -> list[str]:
    """Return the names of the services that a row of `rows_of` has after its source."""
    return [HEADINGS.get(place, place) for place in PLACES]


def rows_of(network: Network) -> list[tuple[str, ...]]:
    """Return a row for each source: by which protocols it reached each service; "+tcp" only after a flush."""
    sources = [name for name in SOURCES if any(one.source == name for one in network.reached)]
    return [(source, *(came_to(network, source, place) for place in PLACES)) for source in sources]


def came_to(network: Network, source: str, place: str) -> str:
    """
    Return by which protocols a source reached a place of walls/network.py, CLOSED, or UNTRIED.

    Args:
        network: the network.
        source: the member that tried.
        place: one of PLACES.
    """
    target, services = PLACES[place]
    tried = [
        one
        for one in network.reached
        if one.source == source and one.target == target and one.service in services and source != target
    ]
    words = sorted({name for one in tried for name in one.protocols})
    words += sorted({f"+{name}" for one in tried for name in one.flushed} - {f"+{name}" for name in words})
    return " ".join(words) or (CLOSED if tried else UNTRIED)


def _protocols(attempts: Sequence[Attempt]) -> dict[tuple[str, str, str], set[str]]:
    """Return the protocols that reached each service, also of services that none reached."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for one in attempts:
        reached = found.setdefault((one.source, one.target, one.service), set())
        if one.result == "reached":
            name = "unix" if one.protocol == "unix-abstract" else one.protocol
            reached.add(f"{name}6" if ":" in one.address else name)
    return found
