"""Tries a runtime's networks in a world of their own: a host, a machine beside it, and sandboxes in each mode.

In: a runtime and the probe.  Out: `NetworkSeen`.  The runtime's daemon, if it has one, is started in the world: no
packet enters a network of this machine.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts.network import Attempt, NetworkSeen
from provisioner.hosts.daemon import daemon_netns, daemon_of, running
from provisioner.hosts.host import Host
from provisioner.journal.run import Run
from provisioner.networks.firewall import cleared
from provisioner.networks.matrix import try_all
from provisioner.networks.member import Member
from provisioner.networks.netns import NetnsConnection, netns_files
from provisioner.networks.plan import BEHIND_PORT, PUBLISHED, PUBLISHED_LOCAL
from provisioner.networks.world import World, addresses_of, run_in
from provisioner.observed import unobserved
from provisioner.probe.build import BuiltProbe
from provisioner.probe.channel import Channel
from provisioner.progress import step
from provisioner.runtimes.load import overlay
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec

# role of a sandbox in the world, and its network mode
ROLES = {"sandbox": "private", "peer": "private", "other": "other", "none": "none"}
ANYWHERE, LOCALLY = "0.0.0.0", "127.0.0.1"


def measure_network(runtime: Runtime, probe: BuiltProbe) -> NetworkSeen:
    """
    Set up a world, create sandboxes of a runtime in it, and let all try to reach all.

    Args:
        runtime: the runtime.
        probe: the built probe.

    Raises:
        IsolationError: the world cannot be made, or a sandbox cannot be created in it.
    """
    networked = runtime
    if runtime.networked is not None:
        networked = overlay(runtime, runtime.networked, f"{runtime.name}/runtime.yaml: networked")
        networked = networked.model_copy(update={"name": runtime.name})
    with Run.start() as run, contextlib.ExitStack() as stack, step(f"try the networks of {runtime.name}"):
        world = World(run)
        stack.callback(world.close)
        connection = stack.enter_context(_host_of(networked, world, run))
        host = Host(netns_files(connection), run, probe)
        stack.callback(host.close)
        _make_networks(networked, host, connection, stack)
        sandboxes = _sandboxes(networked, host)
        for sandbox in sandboxes.values():
            stack.callback(sandbox.close)
        return _try_twice(networked, host, connection, world, sandboxes)


@contextlib.contextmanager
def _host_of(runtime: Runtime, world: World, run: Run) -> Iterator[NetnsConnection]:
    """Yield the connection to the world's host; the runtime's daemon runs there, if it has one."""
    if runtime.daemon is None:
        yield NetnsConnection(world.own_host())
        return
    with running(daemon_of(runtime, run), run, world.furnish) as env:
        yield NetnsConnection(daemon_netns(runtime.name, run), env)


def _make_networks(runtime: Runtime, host: Host, connection: NetnsConnection, stack: contextlib.ExitStack) -> None:
    """Make the networks of the runtime's modes; what they leave on this machine is deleted when the stack is closed."""
    values = host.values(runtime)
    for mode in runtime.network.values():
        if mode.delete:
            argv = render_argv(mode.delete, values, f"{runtime.name}: network")
            entry = host.files.made_command(host.run, argv, {})
            stack.callback(host.run.gone, entry)
            stack.callback(run_in, connection, argv)
        if mode.make:
            run_in(connection, render_argv(mode.make, values, f"{runtime.name}: network"))


def _sandboxes(runtime: Runtime, host: Host) -> dict[str, Sandbox]:
    """Create a sandbox for each role that the runtime has a mode for, side by side."""
    values = host.values(runtime)
    roles = {role: mode for role, mode in ROLES.items() if mode in runtime.network}
    made: dict[str, Sandbox] = {}
    failed: list[BaseException] = []

    def create(role: str) -> None:
        try:
            made[role] = Sandbox(host, runtime, Spec(network=roles[role], flags=_published(runtime, role, values)))
        except BaseException as error:
            failed.append(error)

    with ThreadPoolExecutor(max_workers=len(roles)) as threads:
        list(threads.map(create, roles))
    if failed:
        for sandbox in made.values():
            sandbox.close()
        raise failed[0]
    return made


def _published(runtime: Runtime, role: str, values: Mapping[str, object]) -> tuple[str, ...]:
    if role != "sandbox" or runtime.publish is None:
        return ()
    flags: list[str] = []
    for address, port in ((ANYWHERE, PUBLISHED), (LOCALLY, PUBLISHED_LOCAL)):
        values = {**values, "address": address, "port": port, "to": BEHIND_PORT}
        flags += render_argv(runtime.publish, values, f"{runtime.name}: publish")
    return tuple(flags)


def _try_twice(
    runtime: Runtime, host: Host, connection: NetnsConnection, world: World, sandboxes: Mapping[str, Sandbox]
) -> NetworkSeen:
    members = [Member(role, sandbox.channel, _addresses(host, sandbox)) for role, sandbox in sandboxes.items()]
    with _serving(connection, host) as own, _serving(world.lan, host) as lan:
        members += [Member("host", own, addresses_of(connection))]
        members += [Member("lan", lan, addresses_of(world.lan))]
        published = runtime.publish is not None and "sandbox" in sandboxes
        started = time.monotonic()
        attempts = try_all(members, published)
        seconds = time.monotonic() - started
        forwards = run_in(connection, ["sysctl", "-n", "net.ipv4.ip_forward"]).strip() == b"1"
        return NetworkSeen(
            attempts=attempts,
            flushed=_after_clearing(connection, members, published),
            seconds=round(seconds, 3),
            forwards=forwards,
        )


def _after_clearing(host: NetnsConnection, members: list[Member], published: bool) -> list[Attempt]:
    try:
        with cleared(host):
            return try_all(members, published)
    except IsolationError as error:
        nobody: list[Attempt] = unobserved(str(error))
        return nobody


def _addresses(host: Host, sandbox: Sandbox) -> tuple[str, ...]:
    """Return a sandbox's addresses, as its host sees them in its network namespace."""
    facts = sandbox.outside()
    if facts is None:
        if sandbox.spec.network == "none":  # it still tries to reach others
            return ()
        raise IsolationError(f"cannot see the network of '{sandbox.name}': it is no process of this host")
    path = Path(f"/proc/{facts.process.pid}/ns/net")
    return addresses_of(NetnsConnection(path))


@contextlib.contextmanager
def _serving(where: NetnsConnection, host: Host) -> Iterator[Channel]:
    """Run a probe of the host's in a namespace during a `with` block."""
    stream = where.start([str(host.probe_path), "serve", host.nonce])
    try:
        channel = Channel(stream, host.nonce, "network", deadline("hello.container"))
        yield channel
        channel.end()
    finally:
        stream.kill()
