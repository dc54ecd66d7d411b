"""Lets all members of a world serve and try at once.

In: members.  Out: `Attempt`s.  Each try is bounded by TRY_MS, and all tries of a member run side by side.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts.network import Attempt
from provisioner.networks.member import Member
from provisioner.networks.plan import Planned, plan, refuse_outside, served_by, tokens_of
from provisioner.probe.net_tries import (
    SERVE_BOUND,
    TRY_BOUND,
    parse_served,
    parse_tries,
    serve_argv,
    try_argv,
    try_input,
)
from provisioner.probe.net_tries import Attempt as Try
from provisioner.probe.request import Pending

TRY_MS = 700
TOLD = ("source", "target", "service", "address", "protocol", "port")
SERVE_SECONDS = 120  # a listener ends by itself if nobody ends it


def try_all(members: Sequence[Member], published: bool) -> list[Attempt]:
    """
    Let each member try to reach each service of the world.

    Args:
        members: the members; their probes must be alive.
        published: whether the member "sandbox" publishes ports.

    Raises:
        IsolationError: a probe does not answer.
    """
    token = secrets.token_hex(6)
    planned = plan(members, published)
    refuse_outside(members, planned)
    texts = tokens_of(planned, token)
    listening = {member.name: _serve(member) for member in members}
    with ThreadPoolExecutor(max_workers=len(members)) as threads:
        answers = list(threads.map(lambda member: _try(member, planned, texts), members))
    heard: set[tuple[str, str]] = set()
    for member in members:
        member.channel.cancel(listening[member.name])
        logged = member.channel.wait(listening[member.name])
        heard |= {(member.name, one.token) for one in parse_served(logged.data).tokens}
    results = {number: answer for part in answers for number, answer in part.items()}
    return [attempt_of(one, results.get(one.id), (one.target, texts[one.id]) in heard) for one in planned]


def _serve(member: Member) -> Pending:
    argv = serve_argv(SERVE_SECONDS, member.name, served_by(member))
    pending = member.channel.start(*argv, deadline=deadline("load"), bound=SERVE_BOUND)
    member.channel.wait(pending, until=lambda now: b"\n" in now.data)
    return pending


def _try(member: Member, planned: Sequence[Planned], texts: Mapping[int, str]) -> dict[int, tuple[str, str]]:
    tries = [
        Try(str(one.id), one.protocol, one.address, one.port or None, texts[one.id])
        for one in planned
        if one.source == member.name
    ]
    request = deadline("request")
    reply = member.channel.request(*try_argv(TRY_MS), deadline=request, bound=TRY_BOUND, data=try_input(tries))
    if not reply.ok:
        raise IsolationError(f"cannot try the network from '{member.name}': {reply.log.decode('utf-8', 'replace')}")
    return {int(one.id): (one.result, one.error) for one in parse_tries(reply.data)}


def attempt_of(one: Planned, answer: tuple[str, str] | None, heard: bool) -> Attempt:
    """
    Return what a try came to.

    What its target heard was reached, whatever the source says.  An answer to what the target did not hear came from
    somebody else; nobody hears an echo.

    Args:
        one: the try.
        answer: the result and the errno's name that the source told; None if it told none.
        heard: whether the target received the text of this try.
    """
    result, errno = answer or ("error", "")
    if heard:
        result, errno = "reached", ""
    elif result == "reached" and one.service != "echo":
        result = "stranger"
    return Attempt(**{name: getattr(one, name) for name in TOLD}, result=result, errno=errno)
