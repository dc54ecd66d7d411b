"""What the tries in a network world mean: which services a member reached, and what a cleared filter opened.

In: the attempts of a world.  Out: words.  Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from provisioner.errors import UnobservedFact
from provisioner.facts.network import Attempt

WORDS = {
    "host": "the host",
    "sandbox": "a sandbox",
    "peer": "a sandbox",
    "other": "a sandbox of another network",
    "lan": "a machine beside the host",
    "none": "a sandbox without a network",
}
# What a sandbox may reach: a name, the member and its services
PLACES: dict[str, tuple[str, tuple[str, ...]]] = {
    "sandbox": ("sandbox", ("open", "echo")),
    "peer": ("peer", ("open", "echo")),
    "other": ("other", ("open", "echo")),
    "none": ("none", ("open", "echo")),
    "host": ("host", ("open", "echo")),
    "loopback": ("host", ("loopback", "socket")),
    "published": ("sandbox", ("published",)),
    "published_local": ("sandbox", ("published_local",)),
    "lan": ("lan", ("open", "echo")),
    "far": ("lan", ("far",)),
    "metadata": ("lan", ("metadata",)),
}
PUBLISHED = ("published", "published_local")  # some networks publish no port
TWINS = {"sandbox", "peer"}  # of one network
# as it is listed; a service that is not here is named by its target alone
SERVICES = {
    "loopback": "services of the host's loopback interface",
    "socket": "an abstract unix socket of the host",
    "metadata": "the address of cloud metadata",
    "far": "a machine beyond the local network",
    "published": "a published port",
    "published_local": "a port published at the host's loopback address alone",
}


def reached(
    attempts: Sequence[Attempt],
    sources: Collection[str],
    targets: Collection[str],
    services: Collection[str] = ("open", "echo"),
) -> list[str]:
    """
    Return what sources reached of targets' services, in words.

    Args:
        attempts: all tries of a world.
        sources: the members that tried.
        targets: the members whose services they tried.
        services: the services.

    Returns:
        One line for each source, target and service that answered: "its peer by icmp, tcp, udp over IPv4".

    Raises:
        UnobservedFact: nothing was reached, and a service was not proven to be there, or a try failed.
    """
    tried = [
        one
        for one in attempts
        if one.source in sources and one.target in targets and one.service in services and one.source != one.target
    ]
    through = [one for one in tried if one.result == "reached"]
    if not through:
        _require_proof(attempts, tried, services)
    found: dict[str, set[str]] = {}
    for one in through:
        family = "" if one.protocol == "unix-abstract" else f" over IPv{6 if ':' in one.address else 4}"
        what = "its peer" if {one.source, one.target} == TWINS else WORDS[one.target]
        what = SERVICES.get(one.service, what)
        found.setdefault(f"{what}\0{family}", set()).add(one.protocol)
    return [
        f"{what} by {', '.join(sorted(protocols))}{family}"
        for (what, family), protocols in sorted((tuple(key.split("\0")), value) for key, value in found.items())
    ]


def opened(before: Sequence[Attempt], after: Sequence[Attempt]) -> list[str]:
    """
    Return what is reached after the packet filter was cleared, and was not before, in words.

    Args:
        before: the tries as the runtime set its networks up.
        after: the same tries later.

    Returns:
        One line for each source: "a machine beside the host: a sandbox of another network, sandboxes of its network".

    Raises:
        UnobservedFact: nothing more was reached, and a service was not there any more, or a try failed.
    """
    known = {_key(one) for one in before if one.result == "reached"}
    found: dict[str, set[str]] = {}
    for one in after:
        if one.result == "reached" and _key(one) not in known:
            found.setdefault(_kind(one.source), set()).add(SERVICES.get(one.service, _kind(one.target)))
    if not found:
        _require_same(before, after)
    return [f"{source}: {', '.join(sorted(targets))}" for source, targets in sorted(found.items())]


def _require_same(before: Sequence[Attempt], after: Sequence[Attempt]) -> None:
    """
    Raise UnobservedFact unless all was tried again, and each member still reached its own services.

    A published port is not asked for: rules of the packet filter publish it.
    """
    results = {_key(one): one for one in after}
    for one in before:
        again = results.get(_key(one))
        if again is None or again.result == "error":
            raise UnobservedFact("network.flushed", "", f"{one.source} did not try {one.address} again")
        served = one.source == one.target and one.service not in PUBLISHED and one.result == "reached"
        if served and again.result != "reached":
            where = f"{one.service} of {one.target} at {one.address} by {one.protocol}"
            raise UnobservedFact("network.flushed", again.errno, f"{where} was not served any more")


def _require_proof(attempts: Sequence[Attempt], tried: Sequence[Attempt], services: Collection[str]) -> None:
    """Raise UnobservedFact unless a member reached each service, and the sources could try at all."""
    if not tried:
        raise UnobservedFact("network.attempts", "", f"nothing was tried of {', '.join(services)}")
    there = {_service(one) for one in attempts if one.result == "reached"}
    for one in tried:
        if _service(one) not in there:
            where = f"{one.service} of {one.target} at {one.address} by {one.protocol}"
            raise UnobservedFact("network.attempts", "", f"nobody reached {where}: it may not have been served")
        if one.result == "error":
            raise UnobservedFact("network.attempts", one.errno, f"{one.source} could not try {one.protocol}")
    if all(one.result == "no_socket" for one in tried):
        raise UnobservedFact("network.attempts", tried[0].errno, f"{tried[0].source} got no socket to try with")


def _service(one: Attempt) -> tuple[str, str, str, str]:
    """
    Return what must have been reached by somebody to count as served.

    A service at all addresses is proven at each of them: an IPv6 address that is still tentative answers nobody.  Of
    one that only some addresses may lead to, a single address is enough.
    """
    anywhere = one.service in ("loopback", *PUBLISHED)
    address = ("IPv6" if ":" in one.address else "IPv4") if anywhere else one.address
    return one.target, one.service, one.protocol, address


def _key(one: Attempt) -> tuple[str, str, str, str]:
    return one.source, one.target, one.address, one.protocol + str(one.port)


def _kind(name: str) -> str:
    """Return what a member is; which of two equal sandboxes it is does not count."""
    return "sandboxes of its network" if name in TWINS else WORDS[name]
