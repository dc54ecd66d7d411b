"""A runtime whose declaration is wrong: a container declared a VM, and a micro VM declared a container."""

from __future__ import annotations

import pytest

from provisioner.runtimes.load import load_runtime, overlay
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec
from pytest_isolation.fixtures import OFF
from pytest_isolation.judge.judge import observed_by
from pytest_isolation.observe.views import observe_sandbox
from pytest_isolation.options import LOCAL
from pytest_isolation.policy.verdict import Verdict
from pytest_isolation.records.view import judge_fixtures
from pytest_isolation.session.state import STATE, State
from pytest_isolation.suite.machine import test_vm as suite
from pytest_isolation.targets.target import Target

CHECKS = {
    "vm.declared": suite.test_it_is_of_the_kind_that_it_is_declared,
    "vm.kernel": suite.test_it_runs_its_own_kernel,
}
BOUNDARY = {"vm": "vmm", "container": "process"}
WRONG = {
    "nspawn": ("vm", "it is declared a VM, and runs on the host's kernel: the host sees its process as"),
    "qemu": ("container", "it is declared a container, and runs a kernel of its own"),
}


@pytest.fixture
def state(request: pytest.FixtureRequest) -> State:
    found = request.config.stash.get(STATE, None)
    if found is None:
        pytest.skip(OFF)
    return found


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_declaration_is_a_finding(state: State, name: str) -> None:
    if not any(target.runtime.name == name and target.host == LOCAL for target in state.targets.values()):
        pytest.skip(f"{name} is none of this session's targets: --isolation-runtime={name}")
    runtime = load_runtime(name)
    kind, cause = WRONG[name]
    found = {}
    for declared in (runtime.kind, kind):
        changes = {"kind": declared, "boundary": BOUNDARY[declared]}
        changed = overlay(runtime, changes, "a wrong declaration") if declared != runtime.kind else runtime
        changed = changed.model_copy(update={"cannot": {**changed.cannot, "peer": "none was made"}})
        with Sandbox(state.hosts.local, changed, Spec()) as sandbox:
            record = observe_sandbox(Target(name, changed, LOCAL, named=True), sandbox, None)
            given = judge_fixtures(record)
            found[declared] = {check: observed_by(function, record, given) for check, function in CHECKS.items()}

    assert found[runtime.kind]["vm.declared"] == (Verdict.HOLDS, "")
    verdict, reason = found[kind]["vm.declared"]
    assert verdict is Verdict.OPEN
    assert cause in reason
    assert found[kind]["vm.kernel"][0] is Verdict.OPEN or kind == "container"
