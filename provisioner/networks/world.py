"""Makes the network around sandboxes: their host, and another machine on its local network.

In: a Run, and the namespace of the host, in which a runtime's daemon may run.
Out: `World`.  The journal has an entry before anything is made; with the namespaces all is gone.

    host ns: lan0 192.0.2.1, 2001:db8:1::1 ---- lan0 192.0.2.2, 2001:db8:1::2 :lan ns
                                                lo   169.254.169.254 (cloud metadata), 198.51.100.1, 2001:db8:2::1

The addresses are those for documentation (RFC 5737, RFC 3849) and the link-local one at which clouds serve metadata.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from provisioner.connection.local import find_program
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.linux.netns import delete_netns, make_netns
from provisioner.networks.member import addresses_in
from provisioner.networks.netns import NetnsConnection

POLL = 0.1  # seconds
HOST_LAN = ("192.0.2.1", "2001:db8:1::1")
LAN = ("192.0.2.2", "2001:db8:1::2")
FAR = ("198.51.100.1", "2001:db8:2::1")  # beyond the local network: "the world"
METADATA = "169.254.169.254"
BRIDGES = {"one": ("10.89.1.1", "fd00:89:1::1"), "two": ("10.89.2.1", "fd00:89:2::1")}
SANDBOX_NETS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8")  # what engines give to sandboxes


# programs that the world needs, and the package that has each
NEEDS = {"ip": "iproute2", "nsenter": "util-linux", "iptables": "iptables", "sysctl": "procps"}


class World:
    """
    A host's network, and another machine on it.

    Args:
        run: the journal.

    Raises:
        IsolationError: this user may not make network namespaces, or a program is missing.

    Attributes:
        lan: runs commands in the namespace of the other machine.
    """

    def __init__(self, run: Run) -> None:
        for program, package in NEEDS.items():
            if find_program(program) is None:
                raise IsolationError(f"cannot make a network: {program} is not installed", f"install {package}")
        self._run = run
        self._made: list[tuple[str, UndoEntry]] = []
        self._lan = f"iso-lan-{run.id}"
        self.lan = NetnsConnection(self._make(self._lan))

    def own_host(self) -> Path:
        """Make and furnish a namespace for a host without a daemon, and return its path."""
        path = self._make(f"iso-host-{self._run.id}")
        self.furnish(path)
        return path

    def furnish(self, path: Path) -> None:
        """
        Connect the host's namespace with the other machine's, and add bridges for runtimes that make none.

        Args:
            path: the host's namespace; it has its loopback interface alone.

        Raises:
            IsolationError: the namespace has a way out, or a command failed.
        """
        host = NetnsConnection(path)
        for link in (host, self.lan):
            _refuse_connected(link)
        ip(host, ["link", "add", "lan0", "type", "veth", "peer", "name", "lan0", "netns", self._lan])
        self._address(host, "lan0", HOST_LAN)
        self._address(self.lan, "lan0", LAN)
        for address in (METADATA, *FAR):
            ip(self.lan, ["addr", "add", address, "dev", "lo"])
        for gateway, via in zip(("default", "default"), LAN, strict=True):
            ip(host, [_family(via), "route", "add", gateway, "via", via])
        for net in SANDBOX_NETS:  # a machine on the local network may send there: a firewall is to refuse it
            ip(self.lan, [_family(net), "route", "add", net, "via", HOST_LAN[":" in net]])
        for name, addresses in BRIDGES.items():
            ip(host, ["link", "add", f"br-{name}", "type", "bridge"])
            self._address(host, f"br-{name}", addresses)
        for sysctl in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):  # as a host boots; engines set it
            run_in(host, ["sysctl", "-q", "-w", f"{sysctl}=0"])
        for where in (host, self.lan):  # else a refusal looks like a dropped packet after the sixth: icmp(7)
            run_in(where, ["sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"])

    def close(self) -> None:
        """Delete the namespaces and all that is in them."""
        for name, entry in reversed(self._made):
            delete_netns(name)
            self._run.gone(entry)
        self._made.clear()

    def _make(self, name: str) -> Path:
        entry = self._run.made("netns", name)
        path = make_netns(name)
        self._made.append((name, entry))
        return path

    def _address(self, where: NetnsConnection, link: str, addresses: Sequence[str]) -> None:
        for address in addresses:
            length = ["64", "nodad"] if ":" in address else ["24"]
            ip(where, ["addr", "add", f"{address}/{length[0]}", "dev", link, *length[1:]])
        ip(where, ["link", "set", link, "up"])


def addresses_of(where: NetnsConnection) -> tuple[str, ...]:
    """
    Return the addresses of a namespace that others may reach: `addresses_in`.

    An IPv6 address answers nobody until the kernel knows that nobody else has it (RFC 4862, 5.4), about two seconds
    after it was set.

    Raises:
        IsolationError: they cannot be read, or one is still tentative after some seconds.
    """
    until = time.monotonic() + deadline("outside")
    while tentative := json.loads(ip(where, ["-j", "-6", "addr", "show", "tentative"]) or b"[]"):
        if not any(link.get("addr_info") for link in tentative):
            break
        if time.monotonic() > until:
            raise IsolationError("cannot try the network: an IPv6 address stays tentative")
        time.sleep(POLL)
    return addresses_in(ip(where, ["-j", "addr"]))


def _refuse_connected(where: NetnsConnection) -> None:
    """Refuse a namespace with an interface that is up, but for its loopback: packets of a test could leave it."""
    links = json.loads(ip(where, ["-j", "link"]) or b"[]")
    if others := [link["ifname"] for link in links if link["ifname"] != "lo" and "UP" in link["flags"]]:
        raise IsolationError(f"cannot make a network: the namespace has the interface {others[0]}, which may lead out")


def ip(where: NetnsConnection, words: list[str]) -> bytes:
    """Run ip(8) in a namespace and return its output."""
    return run_in(where, ["ip", *words])


def run_in(where: NetnsConnection, argv: list[str]) -> bytes:
    """
    Run a command in a namespace and return its output.

    Raises:
        IsolationError: it failed.
    """
    done = where.run(argv, deadline("command"))
    if done.status != 0:
        raise IsolationError(f"cannot make a network: {' '.join(argv)}: {done.last_words}")
    return done.stdout


def _family(address: str) -> str:
    return "-6" if ":" in address else "-4"
