"""An out-of-memory kill takes the load alone; a sandbox that is killed under load leaves no cgroup."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator

import pytest
from fakes import wait_for

from provisioner.hosts.files_local import LocalFiles
from provisioner.hosts.host import Host
from provisioner.journal.run import Run
from provisioner.limits.kinds.memory import MIB
from provisioner.limits.limits import Limits
from provisioner.probe.build import probe_binary
from provisioner.runtimes.load import load_runtime
from provisioner.sandboxes.earlier import own_cgroups, read_earlier
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("runc") is None, reason="needs root and runc: `provisioner doctor` says why"
)


@pytest.fixture
def host() -> Iterator[Host]:
    with Run.start() as run:
        made = Host(LocalFiles(), run, probe_binary())
        try:
            yield made
        finally:
            made.close()


def kills(sandbox: Sandbox) -> int:
    outside = sandbox.outside()
    assert outside is not None
    count = outside.limits.memory.oom_kills
    assert isinstance(count, int)
    return count


def test_a_kill_takes_the_load_alone(host: Host) -> None:
    spec, runtime = Spec(limits=Limits(memory=64 * MIB, memory_swap=64 * MIB)), load_runtime("runc")
    with Sandbox(host, runtime, spec) as loaded, Sandbox(host, runtime, spec) as neighbour:
        before = kills(loaded), kills(neighbour)

        reply = loaded.request("load", "memory", str(80 * MIB), bound=1 << 20)

        assert reply.ended == "signal 9"
        assert (kills(loaded), kills(neighbour)) == (before[0] + 1, before[1])
        for one in (loaded, neighbour):
            assert one.inside().nonce == one.nonce
        assert host.outside_pid(host.pid, host.nonce).process.pid == host.pid


def test_a_sandbox_that_is_killed_under_load_leaves_no_cgroup_in_any_hierarchy(host: Host) -> None:
    earlier = read_earlier()
    limits = Limits(memory=64 * MIB, memory_swap=64 * MIB, cpus=0.5, pids=32)
    with Sandbox(host, load_runtime("runc"), Spec(limits=limits)) as sandbox:
        outside = sandbox.outside()
        assert outside is not None
        own = own_cgroups(outside.process, host.outside_pid(host.pid, sandbox.nonce).process, earlier)
        sandbox.channel.start("load", "cpu", "2", "20000", deadline=60, bound=1 << 16)
        sandbox.channel.start("load", "pids", "20", deadline=60, bound=1 << 16)

        os.kill(outside.process.pid, signal.SIGKILL)

    assert own
    wait_for(lambda: not any(folder.exists() for folder in own), 20)
