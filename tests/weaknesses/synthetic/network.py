"""Synthetic weaknesses and look-alikes: who reaches whom over the network."""

from __future__ import annotations

from typing import Any

from weakness import Edit, Lookalike, Weakness, weak


def reach(result: str = "reached", part: str = "attempts", **those: str) -> Edit:
    """Return the edit of the tries with these attributes, such as source="lan"; None of them may be missing."""

    def edit(document: dict[str, Any]) -> None:
        tries = [one for one in document["network"][part] if all(one[key] == value for key, value in those.items())]
        assert tries, f"no try has {those}"
        for one in tries:
            one["result"], one["errno"] = result, ""

    return edit


def both(*edits: Edit) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        for one in edits:
            one(document)

    return edit


def leads(check: str, name: str, cause: str, *also: str, **those: str) -> Weakness:
    """Return a weakness: some tries reach their target, before and after the filter is cleared."""
    return weak(check, name, both(reach(**those), reach(part="flushed", **those)), cause, *also)


def blind(check: str, name: str, cause: str, *also: str, **those: str) -> Weakness:
    """Return a weakness: what nobody reached proves nothing."""
    return weak(
        check,
        name,
        both(reach("refused", **those), reach("refused", "flushed", **those)),
        cause,
        *also,
        verdict="unknown",
    )


WEAKNESSES = (
    leads(
        "net.none",
        "the host answers",
        "it reaches the host by tcp over IPv4",
        source="none",
        target="host",
        service="open",
        protocol="tcp",
        address="172.17.0.1",
    ),
    leads(
        "net.none",
        "an abstract socket of the host",
        "an abstract unix socket of the host by unix-abstract",
        source="none",
        service="socket",
    ),
    leads(
        "net.none",
        "a sandbox answers by IPv6 alone",
        "it reaches a sandbox by udp over IPv6",
        source="none",
        target="peer",
        protocol="udp",
        address="fd00:17::3",
    ),
    leads(
        "net.host_loopback",
        "the host's ::1 answers",
        "services of the host's loopback interface by tcp over IPv6",
        source="sandbox",
        service="loopback",
        protocol="tcp",
        address="::1",
    ),
    leads(
        "net.host_loopback",
        "an abstract socket of the host",
        "an abstract unix socket of the host",
        source="sandbox",
        service="socket",
    ),
    leads(
        "net.host",
        "the gateway answers an echo",
        "it reaches the host by icmp over IPv4",
        source="sandbox",
        target="host",
        protocol="icmp",
        address="172.17.0.1",
    ),
    leads(
        "net.neighbour",
        "the peer answers by IPv6 alone",
        "it reaches its peer by udp over IPv6",
        source="sandbox",
        target="peer",
        protocol="udp",
        address="fd00:17::3",
    ),
    leads(
        "net.neighbour",
        "the peer reaches it",
        "it reaches its peer by tcp over IPv4",
        source="peer",
        target="sandbox",
        service="open",
        protocol="tcp",
        address="172.17.0.2",
    ),
    leads(
        "net.other_network",
        "it reaches the other",
        "it reaches a sandbox of another network by udp over IPv4",
        source="sandbox",
        target="other",
        protocol="udp",
        address="172.18.0.2",
    ),
    leads(
        "net.other_network",
        "the other reaches it",
        "a sandbox of another network reaches a sandbox by icmp over IPv6",
        source="other",
        target="sandbox",
        protocol="icmp",
        address="fd00:17::2",
    ),
    leads(
        "net.unpublished",
        "a machine beside the host reaches the peer",
        "a machine beside the host reaches a sandbox by tcp over IPv4",
        source="lan",
        target="peer",
        protocol="tcp",
        address="172.17.0.3",
    ),
    leads(
        "net.published_local",
        "at the host's other address",
        "a machine beside the host reaches a port published at the host's loopback address alone",
        source="lan",
        service="published_local",
        address="192.0.2.1",
    ),
    leads(
        "net.published_local",
        "by another sandbox",
        "another sandbox reaches a port published at the host's loopback address alone",
        source="other",
        service="published_local",
        address="192.0.2.1",
    ),
    leads(
        "net.metadata",
        "it answers",
        "it reaches the address of cloud metadata by tcp over IPv4",
        source="sandbox",
        service="metadata",
    ),
    leads(
        "net.egress",
        "beyond the local network by IPv6",
        "it reaches a machine beyond the local network by udp over IPv6",
        source="sandbox",
        service="far",
        protocol="udp",
        address="2001:db8:2::1",
    ),
    weak(
        "net.reload",
        "the other network is open",
        reach(part="flushed", source="other", target="sandbox", service="open"),
        "a sandbox of another network: sandboxes of its network",
    ),
    blind("net.metadata", "no metadata was served", "it may not have been served", "net.none", service="metadata"),
    blind("net.egress", "nothing far was served", "it may not have been served", "net.none", service="far"),
    blind(
        "net.published_local",
        "the port is not published",
        "it may not have been served",
        service="published_local",
    ),
    weak(
        "net.reload",
        "a listener ended before the second tries",
        reach("refused", part="flushed", target="peer", service="open"),
        "open of peer at 172.17.0.3 by tcp was not served any more",
        verdict="unknown",
    ),
    weak(
        "net.reload",
        "the second tries failed",
        reach("error", part="flushed", source="lan"),
        "did not try",
        verdict="unknown",
    ),
    blind(
        "net.host_loopback",
        "no abstract socket was served",
        "it may not have been served",
        "net.none",
        service="socket",
    ),
    weak(
        "net.metadata",
        "the try failed",
        reach("error", source="sandbox", service="metadata"),
        "sandbox could not try tcp",
        verdict="unknown",
    ),
    weak(
        "net.metadata",
        "it got no socket",
        reach("no_socket", source="sandbox", service="metadata"),
        "sandbox got no socket",
        verdict="unknown",
    ),
)

LOOKALIKES = (
    Lookalike("a packet is dropped instead of refused", "docker", reach("dropped", source="sandbox", target="host")),
    Lookalike("somebody else answers", "docker", reach("stranger", source="sandbox", target="peer")),
    Lookalike(
        "it may not make a socket for an echo",
        "docker",
        both(*(reach("no_socket", part, source="sandbox", protocol="icmp") for part in ("attempts", "flushed"))),
    ),
    Lookalike(
        "what was closed by a rule is refused later",
        "docker",
        reach("dropped", part="flushed", source="lan", target="sandbox"),
    ),
)
