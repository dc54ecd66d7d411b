"""Words of the requests `net try` and `net serve`, and what a hostile sandbox may print (probe/net_tries.py)."""

from __future__ import annotations

import json

import pytest

from provisioner.errors import IsolationError
from provisioner.observed import FactsError
from provisioner.probe.net_tries import Attempt, parse_served, parse_tries, serve_argv, socket_word, try_input

LINE = {"id": "1", "result": "reached", "errno": "", "answer": "far t", "from": "10.0.0.1:80", "ms": 3}
SOCKETS = {"sockets": [{"socket": "tcp:10.0.0.1:80", "state": "listening", "local": "10.0.0.1:80"}]}
TOKEN = {"proto": "tcp", "local": "10.0.0.1:80", "from": "10.0.0.2:4000", "token": "t"}


def lines(*documents: object) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


def test_each_try_is_a_line() -> None:
    attempts = [Attempt("1", "tcp", "10.0.0.1", 80, "t1"), Attempt("2", "icmp", "fe80::1%eth0", None, "t2")]

    assert try_input(attempts) == b"1 tcp 10.0.0.1 80 t1\n2 icmp fe80::1%eth0 - t2\n"


@pytest.mark.parametrize(
    "attempts",
    [
        [Attempt("1", "tcp", "10.0.0.1", 80, "t")] * 2,
        [Attempt("1 2", "tcp", "10.0.0.1", 80, "t")],
        [Attempt("1", "unix", "/a b", None, "t")],
        [Attempt("1", "tcp", "10.0.0.1", 80, "t\nx")],
        [Attempt("1", "tcp", "10.0.0.1", 80, "t" * 65)],
        [Attempt(str(n), "tcp", "10.0.0.1", 80, "t") for n in range(1025)],
    ],
)
def test_words_that_the_probe_would_read_otherwise_are_refused(attempts: list[Attempt]) -> None:
    with pytest.raises(IsolationError, match=r"^cannot "):
        try_input(attempts)


def test_a_socket_is_one_word() -> None:
    words = [socket_word("tcp", "10.0.0.1", 80), socket_word("udp", "fe80::1%a", 80), socket_word("unix", "/a:b")]

    assert words == ["tcp:10.0.0.1:80", "udp:[fe80::1%a]:80", "unix:/a:b"]
    with pytest.raises(IsolationError):
        serve_argv(1, "far", [])


def test_what_a_server_printed_may_end_within_a_line() -> None:
    printed = lines(SOCKETS, TOKEN)
    served = parse_served(printed + b'{"proto": "t')

    assert [one.state for one in served.sockets] == ["listening"]
    assert [(one.sender, one.token) for one in served.tokens] == [("10.0.0.2:4000", "t")]
    assert parse_served(printed[:10]).sockets == ()


@pytest.mark.parametrize(
    "document",
    [LINE | {"result": "open"}, LINE | {"more": 1}, LINE | {"ms": "3"}, LINE | {"errno": "x"}, {"id": "1"}, [LINE], 1],
)
def test_a_line_that_the_probe_does_not_print_is_an_error(document: object) -> None:
    with pytest.raises(FactsError, match=r"^cannot read the tries: "):
        parse_tries(lines(document))


def test_a_try_has_one_outcome() -> None:
    with pytest.raises(FactsError, match="twice"):
        parse_tries(lines(LINE, LINE))
