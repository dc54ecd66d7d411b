"""Checks of the management plane: the sandbox reaches nothing that controls engines, clusters or instances.

The check connects only to the instance's own API; tables of sockets on both sides show what listens.
"""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.sentry import refuse_passed_on
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls import management_sockets
from pytest_isolation.walls.outside_alone import sockets_of_host


def _reachable(sandbox: SandboxView, host: HostView, ports: dict[int, str]) -> list[str]:
    inside, outside = sandbox.system.ports, host.system.ports
    net = sandbox.namespaces.net if sandbox.shares_kernel else None
    shares_net = net is not None and net == host.namespaces.net
    inode = net.inode if net is not None else None
    return management_sockets.reachable_ports(ports, inside, outside, inode, shares_net, sandbox.system.interfaces)


@pytest.mark.isolation(
    "mgmt.runtime_sock",
    severity="critical",
    profile="baseline",
    gains="starts its own privileged container",
    refs=["CIS Docker 5.32", "OWASP Docker Security, rule 1"],
    shows=["system.sockets", "process.mounts"],
    reproduce="ls -l /run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock",
    remedy="remove the bind mount: a process that writes to an engine's socket is root on the host",
)
def test_no_engine_socket_is_there(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    No container-runtime socket is present (docker, containerd, crio, podman, buildkit, lxd/incus).

    A socket counts if an engine of the host serves it, whatever its path.
    It also counts by its path, by the path that it was bound from, or if it has the device and inode of an engine's
    socket.
    A mounted folder of an engine counts too: /run/containerd, /var/lib/docker.
    A socket that the sandbox's own engine has bound does not count.
    """
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    if why := sandbox.why_blind:
        served = [str(one) for one in sandbox.reached_sockets if one.engine]
        if served:
            raise Open(f"{', '.join(served)} is an engine's socket")
        engines = [one for one in host_facts.system.sockets if management_sockets.is_engine_socket(one.path)]
        shown = sockets_of_host(sandbox.process.mounts, host_facts.process.mounts, engines, why)
        if shown:
            raise Open(f"{', '.join(shown)} is an engine's socket")
        return
    sockets = sandbox.system.sockets
    if not sandbox.shares_kernel:
        refuse_passed_on(sandbox)
        return  # its own engine's
    shares_net = sandbox.namespaces.net == host_facts.namespaces.net
    mounts = sandbox.process.mounts
    found = management_sockets.engine_sockets(
        sockets, mounts, host_facts.system.sockets, shares_net, sandbox.reached_sockets
    )
    if found:
        raise Open(f"{', '.join(found)} is an engine's socket")
    folders = management_sockets.engine_folders(mounts, host_facts.process.mounts)
    if folders:
        raise Open(f"{', '.join(folders)}, a folder of an engine")


@pytest.mark.isolation(
    "mgmt.runtime_tcp",
    severity="critical",
    profile="baseline",
    gains="starts its own privileged container over the network",
    refs=["CIS Docker 2.7", "Docker docs, 'Protect the Docker daemon socket'"],
    shows=["system.ports", "system.interfaces"],
    reproduce="ss -ltn 'sport = 2375 or sport = 2376 or sport = 2377 or sport = 8443 or sport = 9323'    # on the host",
    remedy="no -H tcp://, or only on a loopback address; no core.https_address on a network of sandboxes",
)
def test_engine_ports_are_unreachable(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The engine's TCP API is unreachable.

    The check sends no packet.
    It reads which of the ports listen on the host and in engines' network namespaces, on which addresses, and whether
    the sandbox has an interface that leads there.
    """
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    found = _reachable(sandbox, host_facts, management_sockets.ENGINE_PORTS)
    if found:
        raise Open(f"{', '.join(found)} listens where it can connect")


@pytest.mark.isolation(
    "mgmt.sock_mode",
    severity="high",
    profile="baseline",
    gains="controls all sandboxes, as any user of the host",
    refs=["CIS Docker 3.15", "CIS Docker 3.16", "CIS Docker 3.23", "CIS Docker 3.24", "unix(7)"],
    shows=["system.sockets"],
    reproduce="stat -c '%a %U:%G %n' /run/docker.sock /run/containerd/containerd.sock    # on the host",
    remedy="chmod 0660 the socket: SocketMode=0660 in docker.socket",
)
def test_engine_sockets_are_not_for_all(sandbox: SandboxView, host_facts: HostView) -> None:
    """Engine sockets are not open to all users."""
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    engines = [socket for socket in host_facts.system.sockets if management_sockets.is_engine_socket(socket.path)]
    if not engines:
        pytest.skip("no engine's socket lies at a well-known path of the host")
    found = management_sockets.open_to_all(engines)
    if found:
        raise Open(f"{', '.join(found)}: every user may connect")


@pytest.mark.isolation(
    "mgmt.kubelet",
    severity="critical",
    profile="baseline",
    gains="acts on the cluster with the node's or the pod's credentials",
    refs=["Kubernetes docs, 'Kubelet authentication/authorization'", "CIS Kubernetes 4.2", "CIS Kubernetes 5.1.6"],
    shows=["system.paths[/run/secrets/kubernetes.io/serviceaccount/token]", "system.ports"],
    reproduce="ls /run/secrets/kubernetes.io/serviceaccount; ss -ltn 'sport = 10250 or sport = 10255'",
    remedy="automountServiceAccountToken: false; no hostNetwork: true; --read-only-port=0",
)
def test_kubelet_and_credentials_are_absent(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Kubelet, etcd and API credentials are absent.

    lstat(2) shows the service account's token at its path; the ports are checked as in mgmt.runtime_tcp.
    """
    for path in management_sockets.TOKENS:
        if sandbox.system.paths[path].type != "absent":
            raise Open(f"a service account's token is at {path}")
    if sandbox.target.cannot.get("host"):
        return  # the place is its own host
    found = _reachable(sandbox, host_facts, management_sockets.KUBERNETES_PORTS)
    if found:
        raise Open(f"{', '.join(found)} listens where it can connect")


@pytest.mark.isolation(
    "mgmt.devincus",
    severity="low",
    profile="baseline",
    gains="reads the configuration of other instances",
    refs=["Incus docs, 'Communication between instance and host'", "LXD docs, dev-lxd"],
    shows=["system.guest_api"],
    reproduce="curl --unix-socket /dev/incus/sock http://guest/1.0/config",
    remedy="keep secrets out of user.* settings, or security.guestapi=false (LXD: security.devlxd=false)",
)
def test_guest_api_shows_no_settings(sandbox: SandboxView) -> None:
    """
    The guest API socket (`/dev/lxd`, `/dev/incus`) shows only its own instance.

    The probe asks for the names of the settings: an administrator's own names start with `user.`, and may hold secrets.
    """
    api = sandbox.system.guest_api
    if api is None:
        return
    if api.result != "ok":
        if api.result in ("ECONNREFUSED", "EACCES", "EPERM", "EPROTO"):
            return  # nothing answers, or not with settings
        raise UnobservedFact("system.guest_api.result", api.result, "the API gave no answer")
    if api.user_keys:
        raise Open(f"{api.path} hands out {api.user_keys} settings below user.")


@pytest.mark.isolation(
    "mgmt.lxcfs",
    severity="medium",
    profile="baseline",
    gains="sees or changes other containers' cgroups",
    refs=["CVE-2015-1342", "CVE-2015-1344", "lxcfs(8)"],
    kinds=["container"],
    kinds_reason="LXCFS is a file system of the host's kernel",
    shows=["process.mounts"],
    reproduce="grep fuse.lxcfs /proc/self/mountinfo",
    remedy="bind only LXCFS's files of /proc, never its root or its cgroup view",
)
def test_lxcfs_shows_no_cgroups(sandbox: SandboxView) -> None:
    """
    LXCFS shows only its own cgroup and is not writable.

    Its files of /proc and /sys are harmless and may be mounted.
    Its root and its view of the cgroup tree show other cgroups, and old versions let a sandbox change them.
    """
    found = management_sockets.lxcfs_mounts(sandbox.process.mounts)
    if found:
        raise Open(f"{', '.join(found)}")
