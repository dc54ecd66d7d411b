"""Tries to reach addresses: the requests `net try` and `net serve` of the probe, and what they print.

In: `Attempt`s, or the output of the probe.  Out: words and standard input of a request; `Try`s and `Served`.
Sends nothing: channel.py does.  docs/reference/protocol.md describes both requests.

Example:
    reply = channel.request(*try_argv(500), deadline=10, bound=TRY_BOUND, data=try_input(attempts))
    tries = parse_tries(reply.data)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from provisioner.errors import IsolationError
from provisioner.observed import FactsError, Observed, check_json, first_fault

MOST_TRIES = 1024
MOST_SOCKETS = 192
MOST_WORD = 64  # characters of an id, a token or a name
TRY_BOUND = 1 << 20  # bytes of output of `net try`: 1,024 lines of at most 900 bytes
SERVE_BOUND = 4 << 20  # bytes of output of `net serve`: 8,192 lines of at most 500 bytes
NO_PORT = "-"
PROTOCOLS = ("tcp", "udp", "icmp", "sctp", "unix", "unix-abstract", "vsock")
PLAIN = re.compile(r"[\x21-\x7e]+")

Protocol = Literal["tcp", "udp", "icmp", "sctp", "unix", "unix-abstract", "vsock"]
Result = Literal["reached", "stranger", "refused", "unreachable", "dropped", "no_socket", "error"]
Word = Annotated[str, Field(max_length=256)]
Errno = Annotated[str, Field(max_length=32, pattern="^(E[A-Z0-9]+)?$")]


@dataclass(frozen=True)
class Attempt:
    """
    One try to make.

    Args:
        id: names it in the answer; one word of at most 64 characters.
        protocol: one of PROTOCOLS; ICMP is ICMPv6 for an IPv6 address.
        address: IPv4 or IPv6, with "%INTERFACE" for a link-local one; a path; the name of an abstract socket; a CID.
        port: None for icmp and unix sockets.
        token: one word, which a server repeats.
    """

    id: str
    protocol: Protocol
    address: str
    port: int | None
    token: str

    @property
    def line(self) -> str:
        """The line that asks the probe for it."""
        port = NO_PORT if self.port is None else str(self.port)
        return f"{self.id} {self.protocol} {self.address} {port} {self.token}"


class Try(Observed):
    """
    What one try came to.

    Attributes:
        id: that of the Attempt.
        result: "reached": an answer holds the token.
            "stranger": somebody answered, or took the connection, without the token.
            "refused": by RST, or by ICMP as a closed port or protocol.
            "unreachable": a route, a filter or ICMP says so, or there is no such path.
            "dropped": nothing came in time.
            "no_socket": the kernel refused the socket itself.
            "error": the try could not be made, which proves nothing.
        error: the errno's name, or "".
        answer: the text that came, or "".
        sender: who sent the datagram or the ICMP error, if that is known.
        ms: milliseconds from its start to its end.
    """

    id: Word
    result: Result
    error: Errno = Field(alias="errno")
    answer: Annotated[str, Field(max_length=1024)]
    sender: Word = Field(alias="from")
    ms: Annotated[int, Field(ge=0, le=1 << 31)]


class ServedSocket(Observed):
    """
    A socket that `net serve` was asked for.

    Attributes:
        socket: as it was asked for.
        state: "listening", or the errno's name.
        local: its address and port.
    """

    socket: Word
    state: Annotated[str, Field(max_length=32, pattern="^(listening|E[A-Z0-9]+)$")]
    local: Word


class SeenToken(Observed):
    """
    A token that `net serve` received; "" for a connection that sent none.

    Attributes:
        protocol: by which it came.
        local: the address that it was sent to.
        sender: the address that it came from; "" for a unix socket.
        token: the text.
    """

    protocol: Protocol = Field(alias="proto")
    local: Word
    sender: Word = Field(alias="from")
    token: Annotated[str, Field(max_length=4 * MOST_WORD)]


@dataclass(frozen=True)
class Served:
    """
    What a server printed so far.

    Args:
        sockets: what it listens on; empty until it has tried to open all.
        tokens: what it received.
    """

    sockets: tuple[ServedSocket, ...]
    tokens: tuple[SeenToken, ...]


class _Opened(Observed):
    sockets: Annotated[list[ServedSocket], Field(max_length=MOST_SOCKETS)]


def try_argv(milliseconds: int) -> tuple[str, ...]:
    """
    Return the words of a request that makes tries side by side; `try_input` is its standard input.

    Args:
        milliseconds: that each try may take, 1 to 60000.
    """
    return ("net", "try", str(milliseconds))


def try_input(attempts: Sequence[Attempt]) -> bytes:
    """
    Return the standard input of `net try`.

    Raises:
        IsolationError: more than 1,024 tries, a word that is empty, too long or not printable ASCII, or an id twice.
    """
    if len(attempts) > MOST_TRIES:
        raise IsolationError(f"cannot try {len(attempts)} addresses at once: the probe takes {MOST_TRIES}")
    if len({one.id for one in attempts}) != len(attempts):
        raise IsolationError("cannot try addresses: two tries have the same id")
    for one in attempts:
        _check_words(one.id, one.token)
        if not PLAIN.fullmatch(one.address):
            raise IsolationError(f"cannot try the address {one.address!r}: it is not one word of ASCII")
    return "".join(f"{one.line}\n" for one in attempts).encode("ascii")


def socket_word(protocol: Protocol, address: str, port: int | None = None) -> str:
    """
    Return how `net serve` is asked for a socket.

    Example:
        >>> socket_word("tcp", "::1", 80)
        'tcp:[::1]:80'
    """
    if port is None:
        return f"{protocol}:{address}"
    return f"{protocol}:[{address}]:{port}" if ":" in address else f"{protocol}:{address}:{port}"


def serve_argv(seconds: int, name: str, sockets: Sequence[str]) -> tuple[str, ...]:
    """
    Return the words of a request that answers tries.

    Args:
        seconds: until it ends by itself; at most 3600.
        name: the first word of each answer; the token is the second.
        sockets: as `socket_word` returns them.

    Raises:
        IsolationError: no socket or more than 192, or a name that is not one word.
    """
    if not 0 < len(sockets) <= MOST_SOCKETS:
        raise IsolationError(f"cannot serve {len(sockets)} sockets: the probe takes 1 to {MOST_SOCKETS}")
    _check_words(name)
    return ("net", "serve", str(seconds), name, *sockets)


def parse_tries(data: bytes) -> list[Try]:
    """
    Return what each try came to, in the order in which they ended.

    Raises:
        FactsError: a line is not one that the probe prints, or an id stands twice.
    """
    adapter = TypeAdapter(Try)
    tries = [_validated(adapter, line) for line in _lines(data)]
    if len({one.id for one in tries}) != len(tries):
        raise FactsError("cannot read the tries: an id stands twice")
    return tries


def parse_served(data: bytes) -> Served:
    """
    Return what a server printed; its last line may be incomplete while it runs.

    Raises:
        FactsError: a line is not one that the probe prints.
    """
    lines = list(_lines(data))
    if not lines:
        return Served((), ())
    opened = _validated(TypeAdapter(_Opened), lines[0])
    adapter = TypeAdapter(SeenToken)
    return Served(tuple(opened.sockets), tuple(_validated(adapter, line) for line in lines[1:]))


def _check_words(*words: str) -> None:
    for word in words:
        if len(word) > MOST_WORD or not PLAIN.fullmatch(word):
            raise IsolationError(f"cannot use {word[:80]!r}: not one word of 1 to {MOST_WORD} ASCII characters")


def _lines(data: bytes) -> Iterator[bytes]:
    """Yield the complete lines."""
    yield from data.split(b"\n")[:-1]


def _validated(adapter: TypeAdapter[Any], line: bytes) -> Any:
    try:
        return adapter.validate_python(check_json(line, "tries", TRY_BOUND))
    except ValidationError as error:
        raise FactsError(f"cannot read the tries: {first_fault(error)}") from None
