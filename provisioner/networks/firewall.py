"""Clears the packet filter of a world's host, as an administrator does who loads another rule set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from provisioner.connection.local import last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.networks.netns import NetnsConnection
from provisioner.networks.world import run_in

TABLES = ("raw", "mangle", "nat", "filter")
CHAINS = ("INPUT", "FORWARD", "OUTPUT")
PROGRAMS = ("iptables", "ip6tables")


@contextlib.contextmanager
def cleared(host: NetnsConnection) -> Iterator[None]:
    """
    Delete all rules and let all packets pass during a `with` block, as `nft flush ruleset` does.

    The rules come back at the end: CNI does not take an interface down without them.

    Args:
        host: the host's namespace, which is one of ours.

    Raises:
        IsolationError: a command failed.
    """
    saved = {program: run_in(host, [f"{program}-save"]) for program in PROGRAMS}
    try:
        for program in PROGRAMS:
            _clear(host, program)
        if host.find("nft"):
            run_in(host, ["nft", "flush", "ruleset"])
        yield
    finally:
        for program, rules in saved.items():
            _restore(host, program, rules)


def _restore(host: NetnsConnection, program: str, rules: bytes) -> None:
    stream = host.start([f"{program}-restore"])
    try:
        stream.write(rules)
        stream.end_input()
        if stream.wait(deadline("command")) != 0:
            raise IsolationError(f"cannot restore the packet filter: {last_line(stream.errors())}")
    finally:
        stream.kill()


def _clear(host: NetnsConnection, program: str) -> None:
    for table in TABLES:
        if host.run([program, "-t", table, "-S"], deadline("command")).status != 0:
            continue  # the kernel has no such table
        run_in(host, [program, "-t", table, "-F"])
        run_in(host, [program, "-t", table, "-X"])
    for chain in CHAINS:
        run_in(host, [program, "-P", chain, "ACCEPT"])
