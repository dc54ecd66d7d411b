"""An out-of-memory kill takes the load alone: its sandbox, a neighbour and the host's process live on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from provisioner.hosts.files_local import LocalFiles
from provisioner.hosts.host import Host
from provisioner.journal.run import Run
from provisioner.limits.kinds.memory import MIB
from provisioner.limits.limits import Limits
from provisioner.probe.build import probe_binary
from provisioner.runtimes.load import load_runtime
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
