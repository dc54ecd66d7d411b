"""Packets in another's name: the request `net spoof` of the probe, for networks that a test made itself.

In: an interface or addresses.  Out: the words of a request; whether it was sent.
Whether somebody believes it is not asked here: the receiver's neighbour table or its server (net_tries.py) tells.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError

from provisioner.observed import Answer, FactsError, Observed, check_json, first_fault


class _Spoof(Observed):
    result: Annotated[Answer, Field(max_length=32)]


def spoof_mac_argv(interface: str) -> tuple[str, ...]:
    """Return the request that sets the MAC address of an interface to the one that it has: no effect but the answer."""
    return ("net", "spoof", "mac", interface)


def spoof_arp_argv(interface: str, address: str) -> tuple[str, ...]:
    """
    Return the request that tells all neighbours by one ARP packet that an address is this interface's (RFC 826).

    Args:
        interface: its name, in the sandbox.
        address: an IPv4 address of somebody else in the test's own network.
    """
    return ("net", "spoof", "arp", interface, address)


def spoof_source_argv(source: str, to: str, port: int, token: str) -> tuple[str, ...]:
    """
    Return the request that sends one datagram from an address that is not the sender's (raw(7)).

    Args:
        source: the IPv4 address to write into the packet.
        to: the IPv4 address of a server of `net serve`, which prints the source that it saw.
        port: the server's UDP port.
        token: at most 64 bytes.
    """
    return ("net", "spoof", "source", source, to, str(port), token)


def parse_spoof(data: bytes) -> str:
    """
    Return "ok" if the kernel took the call or the packet, else the errno's name.

    Raises:
        FactsError: it is not what the probe prints.
    """
    try:
        return _Spoof.model_validate(check_json(data, "answer")).result
    except ValidationError as error:
        raise FactsError(f"cannot read the answer: {first_fault(error)}") from None
