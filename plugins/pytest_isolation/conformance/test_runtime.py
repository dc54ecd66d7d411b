"""A role describes its runtime rightly: its files, its commands, and what they leave.

Each test says what the role claims.  What the role says it cannot do, with a reason, is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from provisioner.deadlines import deadline
from provisioner.facts.document import Facts
from provisioner.facts.namespaces import NAMESPACES
from provisioner.limits.limit import limit_named, limit_names
from provisioner.limits.limits import Limits
from provisioner.role_folders import role_folders
from provisioner.runtimes.render import render_argv
from provisioner.sandboxes.loads import limits_for
from provisioner.sandboxes.shared_file import shared_folder
from provisioner.sandboxes.spec import Spec
from provisioner.sandboxes.teardown import is_listed, measure_end
from pytest_isolation.conformance.checked import Checked, one_line, open_checked
from pytest_isolation.policy.documented_filter import load_refusals
from pytest_isolation.policy.expected import load_expected
from pytest_isolation.policy.remedies import load_remedies
from pytest_isolation.targets.target import lack_of

NETWORKS = ("none", "private", "host")


@pytest.fixture(scope="module")
def checked(request: pytest.FixtureRequest) -> Iterator[Checked]:
    """The runtime that --isolation-check-runtime names."""
    yield from open_checked(request.config.getoption("isolation_check_runtime"))


def test_its_files_can_be_read(checked: Checked) -> None:
    """runtime.yaml, and expected.yaml, remedies.yaml and seccomp.yaml if the role has them."""
    name = checked.runtime.name
    folder = role_folders("runtime.yaml")[name]
    with one_line():
        if (folder / "expected.yaml").exists():
            load_expected(folder / "expected.yaml")
        if (folder / "seccomp.yaml").exists():
            load_refusals(folder / "seccomp.yaml")
        load_remedies(name)


def test_what_it_has_no_key_for_has_a_reason(checked: Checked) -> None:
    """`cannot` says why: a skip shows it."""
    runtime = checked.runtime
    lacking = {f"network.{mode}" for mode in ("none", "private") if mode not in runtime.network}
    lacking |= {"exec"} if runtime.exec is None else set()
    lacking |= {"volume"} if runtime.volume is None else set()

    missing = sorted(lacking - runtime.cannot.keys())
    assert not missing, f"runtime.yaml has no key for {', '.join(missing)}: say why under 'cannot'"


def test_it_is_installed(checked: Checked) -> None:
    """Its programs are on PATH, and this user may use it."""
    lack = lack_of(checked.runtime)

    assert lack is None, f"{lack[0]}: {lack[1]}" if lack else ""


def test_it_tells_its_version(checked: Checked) -> None:
    """The pattern of `version` matches the output of its command."""
    version = checked.runtime.version
    if version is None:
        pytest.skip("runtime.yaml has no 'version'; documented exceptions cannot depend on it")
    with one_line():
        argv = render_argv(version.argv, checked.host.values(checked.runtime), "version")
        done = checked.host.connection.run(argv, deadline("command"))

    assert done.status == 0, done.last_words
    assert version.read(done.stdout), f"'{version.match}' does not match {done.stdout[:500]!r}"


def test_it_starts_a_sandbox(checked: Checked) -> None:
    """`create` starts the probe, which answers over its standard streams."""
    with one_line():
        assert checked.start().alive


def test_the_host_finds_the_probe(checked: Checked) -> None:
    """The boundary is what the role says: the probe's own process, a hypervisor's, or none."""
    with one_line():
        sandbox = checked.sandbox
        inside, outside, vmm = sandbox.inside(), sandbox.outside(), sandbox.vmm()

    assert inside.nonce == sandbox.nonce
    boundary = checked.runtime.boundary
    assert (outside is not None) == (boundary == "process"), f"boundary: {boundary} is wrong"
    assert (vmm is not None) == (boundary in ("vmm", "sentry"))


def test_state_names_a_process_of_the_sandbox(checked: Checked) -> None:
    """The pid that `state` reads is in the namespaces of the probe, or of its sentry."""
    if checked.runtime.state is None:
        pytest.skip("runtime.yaml has no 'state'")
    with one_line():
        sandbox = checked.sandbox
        named = sandbox.host.outside_pid(sandbox.state_pid(), sandbox.nonce)
        outside = sandbox.outside() or sandbox.vmm()

    assert outside is not None
    assert _namespaces(named) == _namespaces(outside)


def test_exec_enters_the_sandbox(checked: Checked) -> None:
    """A process that `exec` starts answers, and is in the namespaces of the probe."""
    if checked.runtime.exec is None:
        pytest.skip(checked.runtime.cannot.get("exec", "runtime.yaml has no 'exec'"))
    with one_line():
        entered, inside = checked.sandbox.exec_facts(), checked.sandbox.inside()

    if checked.runtime.boundary != "sentry":  # gVisor numbers the namespaces of each process anew
        assert _namespaces(entered) == _namespaces(inside)


@pytest.mark.parametrize("mode", NETWORKS)
def test_a_network_is_accepted(checked: Checked, mode: str) -> None:
    """A sandbox starts with the network; it shares the host's with the mode `host` only.

    That of a runtime with a daemon is the daemon's.
    """
    if mode not in checked.runtime.network:
        pytest.skip(checked.runtime.cannot.get(f"network.{mode}", f"runtime.yaml has no network '{mode}'"))
    with checked.create(Spec(network=mode)) as sandbox, one_line():
        outside = sandbox.outside()
        if outside is None:
            return  # its processes are not the host's: that it starts is all that can be told
        own = sandbox.host.outside_pid(sandbox.host.pid, sandbox.nonce)

    shared = _namespaces(outside)["net"] == _namespaces(own)["net"]
    assert shared == (mode == "host") or (mode == "host" and checked.runtime.daemon)


@pytest.mark.parametrize("name", limit_names())
def test_a_limit_is_accepted(checked: Checked, name: str) -> None:
    """A sandbox starts with the limit, and the host reads the same amount in its cgroup."""
    if name not in checked.runtime.limits:
        pytest.skip(checked.runtime.cannot[f"limits.{name}"])
    limit, amounts = limit_named(name), limits_for(checked.runtime).amounts
    amount, asked = amounts[name], [one for one in (limit.needs, name) if one]
    with checked.create(Spec(limits=Limits.of({one: amounts[one] for one in asked}))) as sandbox, one_line():
        outside = sandbox.outside()

    if outside is not None:
        assert limit.declared(outside.limits) == pytest.approx(amount, rel=0.01)


def test_a_folder_can_be_shared(checked: Checked) -> None:
    """`volume` shares a folder of the host: a file that the sandbox writes is there."""
    if checked.runtime.volume is None:
        pytest.skip(checked.runtime.cannot.get("volume", "runtime.yaml has no 'volume'"))
    with one_line(), shared_folder(checked.host) as folder:
        ended = measure_end(checked.create, folder=folder)

    assert ended.shared_file is not None


def test_nothing_is_left_at_the_end(checked: Checked) -> None:
    """Neither processes, cgroups, mounts nor an entry in its list outlive a sandbox; its list shows one that lives."""
    listed: list[bool | None] = []
    with one_line():
        ended = measure_end(checked.create, meanwhile=lambda one: listed.append(is_listed(one)))

    assert list(ended.survivors) == []
    assert list(ended.residue) == []
    assert listed in ([True], [None]), "'list' does not show a sandbox that runs"


def test_it_can_be_deleted_twice(checked: Checked) -> None:
    """`delete` ends when there is nothing to delete, as after a killed run."""
    sandbox = checked.create()
    delete = sandbox.delete_argv()
    sandbox.close()
    sandbox.close()
    if not delete:
        pytest.skip("runtime.yaml has no 'delete': its sandboxes end with their first process")
    with one_line():
        sandbox.engine.delete(delete)


def _namespaces(facts: Facts) -> dict[str, int | None]:
    """Return the inode of each namespace, None for a kind that the kernel does not have."""
    return {kind: getattr(facts.process.namespaces, kind) for kind in NAMESPACES}
