"""A daemon on another kernel behind a socket of this machine (ssh -L): nothing compares the two kernels.

Runs with `--isolation-host=NAME --isolation-runtime=docker`; the client runs here, the daemon in the machine.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.machines.openssh import render_ssh, write_known_hosts
from provisioner.observed import NOT_HELD
from provisioner.paths import ROLES
from provisioner.runtimes.load import load_runtime
from provisioner.sandboxes.attached import Attached
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec
from pytest_isolation.judge.judge import judge_records
from pytest_isolation.live.machine import MachineView
from pytest_isolation.observe.hosts import Hosts
from pytest_isolation.observe.views import observe_sandbox
from pytest_isolation.options import LOCAL
from pytest_isolation.policy.conditions import ELSEWHERE
from pytest_isolation.policy.expected import load_expected
from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.raised import Open
from pytest_isolation.policy.verdict import Verdict
from pytest_isolation.records.record import Record
from pytest_isolation.session.state import STATE, State
from pytest_isolation.targets.named import attached_target
from pytest_isolation.targets.target import Target

SOCKET = "/run/docker.sock"
PLANTED = ("ns.net", "ns.pid", "ns.ipc", "ipc.abstract", "ipc.sysv_mq", "sig.outside")
CONNECT = 60.0  # seconds


@pytest.fixture
def state(request: pytest.FixtureRequest) -> State:
    return request.config.stash[STATE]


@pytest.fixture
def daemon(
    machine: MachineView, state: State, isolation_target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Forward the socket of the machine's dockerd to one of this machine, and name it by DOCKER_HOST."""
    if isolation_target != f"{machine.name}/docker":
        pytest.skip("asked of docker on a machine: --isolation-host=NAME --isolation-runtime=docker")
    address, known_hosts, socket = (
        state.hosts.machine(machine.name)[0].machine.ssh(),
        tmp_path / "known",
        tmp_path / "s",
    )
    write_known_hosts(address, known_hosts)
    argv = render_ssh(address, known_hosts, seconds=CONNECT)
    at = argv.index("ssh") + 1
    forward = subprocess.Popen([*argv[:at], "-N", "-L", f"{socket}:{SOCKET}", *argv[at:]])
    try:
        until = time.monotonic() + CONNECT
        while not socket.exists() and forward.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        assert socket.exists()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
        yield f"unix://{socket}"
    finally:
        forward.terminate()
        forward.wait()


def observed(sandbox: Sandbox, peer: Sandbox | None = None) -> Record:
    runtime = sandbox.runtime.model_copy(update={"cannot": {**sandbox.runtime.cannot, "peer": "none was made"}})
    return observe_sandbox(Target("docker", runtime, LOCAL, named=True), sandbox, peer)


@pytest.fixture
def hosts(daemon: str) -> Iterator[Hosts]:
    """Hosts whose images are deleted while the daemon can still be asked."""
    hosts = Hosts()
    try:
        yield hosts
    finally:
        hosts.close()


def test_nothing_compares_two_kernels(daemon: str, hosts: Hosts, machine: MachineView) -> None:
    runtime, policy = load_runtime("docker"), Policy(expected={"docker": load_expected(ROLES / "docker/expected.yaml")})
    with Sandbox(hosts.local, runtime, Spec()) as sandbox:
        stock = observed(sandbox)
        with pytest.raises(IsolationError, match=ELSEWHERE):
            attached = attached_target(f"docker:{sandbox.name}").attached
            assert attached is not None
            Attached(hosts.local, attached)
    with Sandbox(hosts.local, runtime, Spec(network="host", flags=("--pid=host",))) as sandbox:
        planted = observed(sandbox)

    judged = judge_records([stock], policy)
    found = {cell.check: (cell.verdict, cell.reason) for cell in judge_records([planted], policy).cells}

    assert stock.inside.boot_id == machine.host.facts.boot_id
    assert stock.this_machine.boot_id == hosts.local.facts.boot_id
    # loads and reaches are not measured here
    wrong = [f"{cell.check}: {cell.reason}" for cell in judged.findings() if not cell.reason.endswith(NOT_HELD)]
    if wrong:
        raise Open("; ".join(wrong))
    assert judged.hosts[0].unseen == f"{ELSEWHERE} ({daemon} by DOCKER_HOST): nothing was observed from outside"
    assert judged.hosts[0].kernel == machine.host.facts.system.kernel.release
    assert found["ns.net"][0] is Verdict.UNKNOWN
    assert ELSEWHERE in found["ns.net"][1]
    assert found["ns.pid"][0] is Verdict.OPEN


def test_a_helper_compares_with_the_daemons_host(daemon: str, machine: MachineView) -> None:
    runtime, policy = load_runtime("docker"), Policy(expected={"docker": load_expected(ROLES / "docker/expected.yaml")})
    hosts = Hosts(helper=True)
    try:
        host = hosts.host_of(Target("docker", runtime, LOCAL, named=True))
        with Sandbox(host, runtime, Spec()) as sandbox, Sandbox(host, runtime, Spec()) as peer:
            stock = observed(sandbox, peer)
        with Sandbox(host, runtime, Spec(network="host", flags=("--pid=host", "--ipc=host"))) as sandbox:
            planted = observed(sandbox)
        moved = hosts.moved()
    finally:
        hosts.close()
    left = machine.run("docker", "ps", "--all", "--quiet", "--filter", f"label=isolation.run={host.run.id}")

    judged = judge_records([stock], policy)
    found = {cell.check: (cell.verdict, cell.reason) for cell in judge_records([planted], policy).cells}

    assert stock.host.boot_id == stock.outside.boot_id == machine.host.facts.boot_id
    wrong = [f"{cell.check}: {cell.reason}" for cell in judged.findings() if not cell.reason.endswith(NOT_HELD)]
    if wrong:
        raise Open("; ".join(wrong))
    assert (judged.hosts[0].id, judged.hosts[0].unseen) == ("docker's daemon", "")
    missed = {name: found[name] for name in PLANTED if found[name][0] is not Verdict.OPEN}
    if missed:
        raise Open(str(missed))
    assert moved == []
    assert left.stdout == ""
