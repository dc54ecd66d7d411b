"""Checks of IPC objects and unix sockets of the host: the probe tries to reach objects of this run on the host."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from provisioner.facts.ipc import Objects
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.sentry import refuse_passed_on
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.management_sockets import host_sockets
from pytest_isolation.walls.outside_alone import sockets_of_host

NOT_THERE = ("ENOENT", "ECONNREFUSED")
REFUSED = ("ENOSYS", "EPERM", "SIGSYS")


def _objects(sandbox: SandboxView) -> Objects:
    """Return the results of reaching for the host's objects; skip if this host has none."""
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    objects = sandbox.system.objects
    if objects is None:
        pytest.skip("no IPC objects are made on this host for the sandbox to reach for")
    return objects


def _is_there(name: str, result: str, *also: str) -> bool:
    """Whether the result means that the object exists; raises UnobservedFact for a result that shows nothing."""
    if result in (*NOT_THERE, *REFUSED):
        return False
    if result != "ok" and result not in also:
        raise UnobservedFact(f"system.objects.{name}", result, "the answer shows nothing")
    return True


@pytest.mark.isolation(
    "ipc.sysv_mq",
    severity="high",
    profile="baseline",
    gains="reads and changes shared memory and queues of others",
    refs=["svipc(7)", "mq_overview(7)", "ipc_namespaces(7)"],
    shows=["system.objects"],
    reproduce="ipcs -m; ls /dev/mqueue    # inside: what the host made is listed",
    remedy="give it its own IPC namespace: drop --ipc=host, lxc.namespace.keep=ipc; unshare --ipc",
)
def test_ipc_objects_outside_are_not_there(sandbox: SandboxView) -> None:
    """
    Shared memory, semaphores and queues made outside are not visible.

    shmget(2) asks for a segment of the host by its key, without any permission; mq_open(3) asks for a queue of the
    host.
    EACCES means that the object is visible and its mode protects it, which is a second wall.
    The three kinds of System V objects share one namespace (ipc_namespaces(7)), so the segment stands for all.
    """
    if sandbox.why_blind:
        if sandbox.namespaces.ipc == sandbox.host.namespaces.ipc:
            raise Open("it lives in the host's IPC namespace")
        return
    objects = _objects(sandbox)
    if _is_there("shm", objects.shm, "EACCES"):
        raise Open("the host's shared memory segment is there")
    if _is_there("mqueue", objects.mqueue, "EACCES"):
        raise Open("the host's message queue is there")


@pytest.mark.isolation(
    "ipc.abstract",
    severity="high",
    profile="baseline",
    gains="connects to a service that trusts everybody who reaches its socket",
    refs=["unix(7)", "network_namespaces(7)", "CVE-2020-15257"],
    shows=["system.objects", "process.namespaces.net"],
    reproduce="grep @ /proc/net/unix    # inside: abstract names of the host's",
    remedy="give it its own network namespace: drop --network=host, lxc.net.0.type = none",
)
def test_abstract_sockets_outside_are_unreachable(sandbox: SandboxView) -> None:
    """
    Abstract unix sockets outside are unreachable.

    The probe tries connect(2) to a listener of this run on the host.
    Abstract names belong to the network namespace; file modes do not protect them.
    """
    if sandbox.why_blind:
        if sandbox.namespaces.net == sandbox.host.namespaces.net:
            raise Open("it lives in the host's network namespace")
        return
    objects = _objects(sandbox)
    if _is_there("abstract", objects.abstract, "EAGAIN"):
        raise Open(f"it connects to the host's @{objects.name}")


@pytest.mark.isolation(
    "ipc.host_sockets",
    severity="critical",
    profile="baseline",
    gains="talks to a service of the host through its socket",
    refs=["unix(7)", "CIS Docker 5.6"],
    shows=["system.sockets", "process.mounts"],
    reproduce="find $(awk '{print $5}' /proc/self/mountinfo) -xdev -type s    # and on the host: ss -xlp",
    remedy="remove the bind mount: -v /run/…, lxc.mount.entry",
)
def test_no_socket_of_the_host_is_mounted(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    No host unix socket is bind-mounted.

    A socket counts on which a process outside serves (/proc/net/unix, /proc/PID/fd), under any name and at any depth of
    a mounted folder.
    If nobody is known to serve it, mounts that are sockets count, and sockets in mounted folders of the host's file
    systems.
    A socket that a process of the sandbox serves, or has bound in its own network namespace, does not count.
    A socket does not reach another kernel, so a sandbox with its own kernel passes; a sentry may pass it on (gVisor,
    --host-uds), which is unknown.
    """
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    if why := sandbox.why_blind:
        served = [str(one) for one in sandbox.reached_sockets]
        if served:
            raise Open(f"{', '.join(served)} is a socket of the host's")
        shown = sockets_of_host(sandbox.process.mounts, host_facts.process.mounts, host_facts.system.sockets, why)
        if shown:
            raise Open(f"{', '.join(shown)} is a socket of the host's")
        return
    sockets = sandbox.system.sockets
    if not sandbox.shares_kernel:
        refuse_passed_on(sandbox)
        return
    shares_net = sandbox.namespaces.net == host_facts.namespaces.net
    found = host_sockets(
        sockets,
        sandbox.process.mounts,
        host_facts.process.mounts,
        shares_net,
        sandbox.record.served_sockets,
        sandbox.reached_sockets,
    )
    if found:
        raise Open(f"{', '.join(found)} is a socket of the host's")
