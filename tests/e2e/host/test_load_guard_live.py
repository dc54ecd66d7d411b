"""Loads without any limit: each ends at its own cap, its verdict is red, and the host has all back."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import wait_for

from provisioner.hosts.files_local import LocalFiles
from provisioner.hosts.host import Host
from provisioner.journal.run import Run
from provisioner.limits.kinds.memory import MIB, SLACK
from provisioner.limits.limit import limit_named
from provisioner.probe.build import probe_binary
from provisioner.runtimes.load import load_runtime, overlay
from provisioner.sandboxes.loads import measure_loads
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("runc") is None, reason="needs root and runc: `provisioner doctor` says why"
)
# what each load comes to without a limit: a quarter or as much again, and never more
PLANTED = {
    "memory": ("exit 0", 80 * MIB),
    "swap": ("exit 0", 80 * MIB),
    "cpu": ("exit 0", None),
    "pids": ("exit 0", 64),
    "nproc": ("exit 0", 512),
    "files": ("exit 0", 320),
    "core": ("exit 0", 4 * MIB),
    "shm": ("exit 0", 9 * MIB),
}


@pytest.fixture
def host() -> Iterator[Host]:
    with Run.start() as run:
        made = Host(LocalFiles(), run, probe_binary())
        try:
            yield made
        finally:
            made.close()


def processes_of(nonce: str) -> list[str]:
    """Return the processes of a sandbox: the load's children have the command line of its probe."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if nonce.encode() in file.read_bytes():
                found.append(file.parent.name)
    return found


@pytest.mark.parametrize("name", PLANTED)
def test_a_load_without_a_limit_ends_at_its_own_cap(host: Host, name: str) -> None:
    limit, (ended, most) = limit_named(name), PLANTED[name]
    kept = {one: {} for one in (name, limit.needs) if one}
    runtime = overlay(load_runtime("runc"), {"limits": kept}, "planted")
    made: list[Sandbox] = []

    def create(spec: Spec) -> Sandbox:
        made.append(Sandbox(host, runtime, spec))
        return made[-1]

    loads = measure_loads(create, runtime, host.cpus)

    load = loads[name]
    assert load.ended == ended
    assert limit.why_not_in_force(load) is not None
    used = limit.used(load)
    assert used is not None
    assert used <= (host.cpus * 1.05 if most is None else most + SLACK)
    assert made
    wait_for(lambda: not any(processes_of(one.nonce) for one in made), 20)
    assert host.outside_pid(host.pid, host.nonce).process.pid == host.pid  # the host's probe answers
    with Sandbox(host, runtime, Spec()) as after:
        assert after.inside().nonce == after.nonce
