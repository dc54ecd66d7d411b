"""What a hypervisor holds on the host: files that other users may open too, and services that it is connected to.

In: its process, files and connections as the host sees them.  Out: reasons.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from provisioner.errors import UnobservedFact
from provisioner.facts.holdings import Backing, Connection
from provisioner.facts.process import Process

NOUNS = {"file": "file", "fifo": "named pipe", "char": "terminal"}
# Servers that a hypervisor is meant to be connected to, and why
HELPERS = {
    "swtpm": "emulates one guest's TPM",
    "virtiofsd": "shares a folder, which vm.shared_folder judges",
    "passt": "is one guest's network, which net.* judges",
    "ovs-vswitchd": "is the guests' switch, which net.* judges",
    "VBoxXPCOMIPCD": "is VirtualBox's own, of the same user",
    "VBoxSVC": "is VirtualBox's own, of the same user",
    "nscd": "answers each process that looks up a user (nscd(8))",
    "sssd_nss": "answers each process that looks up a user (sssd(8))",
}


def open_to_others(process: Process, backings: Iterable[Backing]) -> list[str]:
    """
    Return the files, pipes and terminals of a hypervisor that another user of the host may open too.

    What it writes is the guest's: nobody else may read or write it.  What it only reads, such as a base image, nobody
    else may write.  A pid file may be read.  Root and the hypervisor's own users count as itself.

    Args:
        process: the hypervisor's process.
        backings: its files.

    Raises:
        UnobservedFact: it is unknown whether others come to a file, and no other file is open to them.
    """
    reasons: list[str] = []
    unknown: UnobservedFact | None = None
    for backing in backings:
        try:
            who = _who(process, backing)
        except UnobservedFact as error:
            unknown = error
            continue
        if who:
            reasons.append(f"{_name(backing)}, which {who}")
    if unknown and not reasons:
        raise unknown
    return reasons


def _who(process: Process, backing: Backing) -> str | None:
    if backing.access == "path":
        return None
    written = "w" in backing.access
    may = [
        word
        for word, asked in (("read", written and not backing.pid), ("write", True))
        if asked and (backing.others_read if word == "read" else backing.others_write)
    ]
    if may:
        return f"every user of the host may {' and '.join(may)} (mode {backing.mode:04o})"
    # a terminal belongs to the user who started the hypervisor on it, and vm.process judges one that runs as root
    trusted = backing.uid in {0, *process.uid} or 0 in process.uid
    if written and backing.type != "char" and not trusted and backing.mode & 0o600:
        return f"belongs to another user of the host (uid {backing.uid}, mode {backing.mode:04o})"
    return None


def _name(backing: Backing) -> str:
    noun = NOUNS[backing.type]
    return (
        f"its guest's memory is the {noun} {backing.path}" if backing.mapped else f"it uses the {noun} {backing.path}"
    )


def services(connections: Iterable[Connection]) -> list[str]:
    """
    Return the services of the host that a hypervisor is connected to, without those in HELPERS.

    A connection to another machine is the guest's network, which net.* judges.

    Raises:
        UnobservedFact: it is unknown who serves at a socket, and no other service is found.
    """
    reasons: list[str] = []
    unknown = ""
    for one in connections:
        if one.family != "unix":
            reasons.extend(_port(one))
        elif one.server is None:
            unknown = one.address or "a socket that has not accepted it yet"
        elif one.server not in HELPERS:
            reasons.append(f"the socket {one.address}, where {one.server} serves as uid {one.uid}")
    if unknown and not reasons:
        raise UnobservedFact("vmm.connections", "", f"it is connected to {unknown}, and who serves there is unknown")
    return reasons


def _port(one: Connection) -> Iterator[str]:
    address = ip_address(one.address)
    mapped = getattr(address, "ipv4_mapped", None)
    if (mapped or address).is_loopback:
        shown = f"::ffff:{mapped}" if mapped else str(address)  # Python 3.13 writes it so, older ones in hex
        yield f"port {f'[{shown}]' if one.family == 'tcp6' else shown}:{one.port}"
