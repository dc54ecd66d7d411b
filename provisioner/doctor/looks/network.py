"""Looks whether the networks of runtimes can be tried: a trial makes the network of a test and deletes it."""

from __future__ import annotations

from contextlib import closing

from provisioner.doctor.finding import Seen, lacking, limited, ok
from provisioner.doctor.look import look
from provisioner.doctor.system import System, as_root
from provisioner.errors import IsolationError
from provisioner.networks.netns import NetnsConnection
from provisioner.networks.world import NEEDS, World, run_in

COST = "--isolation-network cannot try who reaches whom"


@look("host", "networks")
def look_at_networks(system: System) -> Seen:
    """Make two network namespaces, connect them, and list the rules of the packet filter."""
    missing = [package for program, package in NEEDS.items() if system.find(program) is None]
    if missing:
        mend = as_root(system, f"apt-get install {' '.join(missing)}")
        return limited(f"not installed: {', '.join(missing)}", COST, mend)
    if not system.root:
        return limited("only root makes network namespaces that last", COST, note="run the tests as root")
    try:
        with closing(World(system.journal())) as world:
            host = NetnsConnection(world.own_host())
            run_in(host, ["iptables", "-S"])
    except IsolationError as error:
        return lacking(error.what, COST, error.hint)
    return ok("a network of a test can be made")
