"""pytest_isolation.results.networks: who reached whom, as a table."""

from __future__ import annotations

from sample_records import blank

from provisioner.facts.network import Attempt, NetworkSeen
from pytest_isolation.results.networks import headings, network_of, rows_of


def attempt(
    source: str, target: str, protocol: str, address: str, result: str = "reached", service: str = "open"
) -> Attempt:
    return Attempt(
        source=source, target=target, service=service, address=address, protocol=protocol, port=1, result=result
    )


BEFORE = [
    attempt("sandbox", "peer", "tcp", "10.0.0.3"),
    attempt("sandbox", "peer", "udp", "fd00::3"),
    attempt("sandbox", "other", "tcp", "10.1.0.3", "dropped"),
    attempt("sandbox", "host", "tcp", "127.0.0.1", "refused", "loopback"),
    attempt("lan", "sandbox", "tcp", "10.0.0.2", "unreachable"),
]
AFTER = [one.model_copy(update={"result": "reached"}) if one.target == "other" else one for one in BEFORE]


def test_a_row_for_each_source() -> None:
    seen = NetworkSeen(attempts=BEFORE, flushed=AFTER, seconds=0.5, forwards=True)
    network = network_of(blank().model_copy(update={"network": seen}))
    assert network is not None
    rows = {row[0]: dict(zip(headings()[1:], row[1:], strict=True)) for row in rows_of(network)}

    assert list(rows) == ["sandbox", "lan"]
    assert (network.tries, network.seconds) == (5, 0.5)
    assert rows["sandbox"]["PEER"] == "tcp udp6"
    assert rows["sandbox"]["OTHER"] == "+tcp"
    assert rows["sandbox"]["HOST'S LOOPBACK"] == "closed"
    assert rows["sandbox"]["METADATA"] == "-"
    assert rows["lan"]["SANDBOX"] == "closed"


def test_a_record_without_tries_has_no_table() -> None:
    assert network_of(blank()) is None
    assert network_of(blank().model_copy(update={"network": None})) is None
