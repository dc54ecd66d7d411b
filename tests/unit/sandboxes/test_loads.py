"""provisioner.sandboxes.loads: which limits are measured, and what a sandbox sees of them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import NONCE, facts_document

from provisioner.errors import IsolationError
from provisioner.facts.document import Facts, parse_facts
from provisioner.limits.guard import Spare
from provisioner.limits.limit import find_limits, limit_named
from provisioner.limits.limits import Limits
from provisioner.linux.cgroups import CannotLimitError
from provisioner.observed import Unobserved, unobserved
from provisioner.probe.request import Reply
from provisioner.runtimes.load import load_runtime
from provisioner.sandboxes.loads import _amount_inside, _read, limits_for, measure_declared, measure_loads
from provisioner.sandboxes.spec import RefusedError, Spec
from provisioner.sandboxes.ways import measure_ways

MEMORY = ("limits.memory.limit", "system.memory_total")


def changed(facts: Facts, part: str, **values: Any) -> Facts:
    return facts.model_copy(update={part: facts.raw(part).model_copy(update=values)})


@pytest.fixture(scope="module")
def facts() -> Facts:
    return parse_facts(facts_document(), NONCE)


def test_a_runtime_is_measured_with_its_own_limits_and_never_below_its_step() -> None:
    assert limits_for(load_runtime("runc")) == Limits.of({limit.name: limit.amount for limit in find_limits()})
    assert limits_for(load_runtime("qemu")) == Limits(memory=192 << 20, cpus=1)
    assert limits_for(load_runtime("self")) == Limits()


def test_the_first_fact_that_is_a_number_is_the_amount_inside(facts: Facts) -> None:
    gone = unobserved("no cgroup")
    total = changed(facts, "system", memory_total=256)
    limited = changed(total, "limits", memory=facts.limits.memory.model_copy(update={"limit": 64}))

    assert _amount_inside(limited, MEMORY) == 64.0
    assert _amount_inside(changed(total, "limits", memory=gone), MEMORY) == 256.0
    assert _amount_inside(changed(changed(facts, "system", memory_total=gone), "limits", memory=gone), MEMORY) is gone
    assert _amount_inside(facts.model_copy(update={"system": None}), ("system.cpus",)) is None
    assert _amount_inside(facts, ()) is None


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (b"children " + b"9" * 5000 + b" errno EAGAIN", "limit \\(4300"),
        (b"children 99999999999999999999 errno EAGAIN", "children: Input should be less"),
        (b"children 3 errno banana", "fork_error: String should match"),
    ],
)
def test_a_load_that_prints_what_no_probe_prints_is_one_error(output: bytes, why: str) -> None:
    known = {"limit": 32.0, "shown": None, "after": None, "inside": None, "host_cpus": 2}

    with pytest.raises(IsolationError, match=f"cannot read the load of 'pids': .*{why}"):
        _read(limit_named("pids"), output, 2, known)


@pytest.mark.parametrize(("told", "nproc"), [(b"", None), (b" nproc 24", 24)])
def test_the_load_of_pids_tells_the_limit_of_its_user(told: bytes, nproc: int | None) -> None:
    found = limit_named("pids").read_load(b"children 20 errno EAGAIN" + told + b"\n", 2)

    assert found == {"children": 20, "fork_error": "EAGAIN", "nproc": nproc}


def refusing(*errors: IsolationError) -> tuple[list[Limits], Callable[[Spec], Any]]:
    """Return what was asked for, and a function that raises one error after another."""
    asked: list[Limits] = []

    def create(spec: Spec) -> Any:
        asked.append(spec.limits)
        raise errors[len(asked) - 1]

    return asked, create


def test_limits_that_are_refused_together_are_asked_for_alone() -> None:
    runtime = load_runtime("runc")
    runtime = runtime.model_copy(update={"limits": {name: runtime.limits[name] for name in ("memory", "cpu", "pids")}})
    asked, create = refusing(*(RefusedError(f"no {what}") for what in ("all", "memory", "cpu")), IsolationError("lost"))

    loads = measure_loads(create, runtime, 4)

    assert asked[1:] == [Limits(memory=64 << 20), Limits(cpus=0.25), Limits(pids=32)]
    assert (loads["memory"].refused, loads["cpu"].refused) == ("no memory", "no cpu")
    assert loads["cpu"].limit == 0.25
    assert isinstance(loads["pids"], Unobserved)


@pytest.mark.parametrize("lacking", [{"memory"}, {"cpu"}, {"pids"}, {"memory", "pids"}])
def test_a_controller_that_is_missing_hides_no_other_limit(monkeypatch: pytest.MonkeyPatch, lacking: set[str]) -> None:
    measured: list[str] = []

    class Made:
        def __init__(self, spec: Spec) -> None:
            if missing := sorted(lacking & set(spec.limits.amounts)):
                raise CannotLimitError(f"cannot limit '{missing[0]}': no {missing[0]} controller is mounted")

        def __enter__(self) -> Made:
            return self

        def __exit__(self, *args: object) -> None: ...

    def measure(sandbox: Any, limit: Any, amount: float, host_cpus: int) -> Any:
        measured.append(limit.name)
        return unobserved("measured")

    monkeypatch.setattr("provisioner.sandboxes.loads._try_measure", measure)

    loads = measure_loads(Made, load_runtime("unshare"), 4)  # type: ignore[arg-type]  # as much of a sandbox as it uses

    runtime = load_runtime("unshare")
    assert set(measured) == set(runtime.limits) - {
        limit.name for limit in find_limits() if lacking & {limit.name, limit.needs}
    }
    for name in lacking:
        assert f"no {name} controller is mounted" in str(loads[name])


class Declared:
    """A user's sandbox with the limits that its command line set; it notes which loads are pushed."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.pushed: list[str] = []
        self.warning = ""
        self.spare = Spare()

    def __enter__(self) -> Declared:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def outside(self) -> Facts:
        return self.facts

    def inside(self) -> Facts:
        return self.facts

    def set_by(self, limit: str, amount: float) -> str:
        return "docker run"

    def request(self, *argv: str, seconds: float) -> Reply:
        return Reply("exit 0", b"held 3 reached 4 killed 1 errno ok\n", b"")

    @property
    def channel(self) -> Any:
        pushed = self.pushed

        class Channel:
            def start(self, *argv: str, deadline: float, bound: int) -> list[str]:
                pushed.append(argv[1])
                return list(argv)

            def wait(self, pending: list[str]) -> Reply:
                return Reply("exit 0", b"", b"")

        return Channel()


@pytest.mark.parametrize(
    ("amounts", "pushed", "unobserved_too"),
    [
        ({"memory": 64 << 20, "pids": 30}, ["memory", "pids"], []),
        ({"memory": 2 << 30}, [], ["memory"]),
        ({"pids": 4096, "memory": 1 << 30}, ["memory"], ["pids"]),
        ({}, [], []),
    ],
)
def test_the_limits_that_a_command_line_sets_are_pushed_against_as_they_are(
    facts: Facts, amounts: dict[str, int], pushed: list[str], unobserved_too: list[str]
) -> None:
    known = facts
    for name in ("memory", "pids"):
        section = known.limits.raw(name).model_copy(update={"limit": amounts.get(name)})
        known = changed(known, "limits", **{name: section})
    known = changed(known, "limits", cpu=known.limits.raw("cpu").model_copy(update={"quota_us": None}))
    for name in ("files", "shm", "core", "nproc"):
        known = changed(known, "limits", **{name: known.limits.raw(name).model_copy(update={"limit": None})})
    sandbox = Declared(known)

    loads = measure_declared(lambda spec: sandbox, host_cpus=2)  # type: ignore[arg-type,return-value]  # a fake

    assert sorted(sandbox.pushed) == sorted(pushed)
    most = "the most that a load is pushed against"
    missing = [name for name, load in loads.items() if isinstance(load, Unobserved) and most in load.why]
    assert missing == unobserved_too
    assert set(loads) == {*pushed, *unobserved_too}


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (b"", "said nothing"),
        (b"held 1 reached 2\n", "said nothing"),
        (b"held 99999999999999999999 reached 1 killed 0 errno ok\n", ""),
    ],
)
def test_a_way_that_says_nothing_of_use_is_unobserved(output: bytes, why: str) -> None:
    box: Any = SimpleNamespace(request=lambda *argv, seconds: Reply("exit 0", output, b""))

    ways = measure_ways(box, limit_named("memory"), 64 << 20, 2)

    assert {one for one in ways.root.values() if not isinstance(one, Unobserved)} == set()
    assert why in next(iter(ways.root.values())).why


def test_a_large_limit_is_pushed_in_one_way_only() -> None:
    ways: Any = measure_ways(SimpleNamespace(), limit_named("memory"), 1 << 30, 2)  # type: ignore[arg-type]

    assert "its limit of 1024MiB is pushed in one way only: anonymous, memfd, " in ways.why
    assert "up to a limit of 256MiB" in ways.why


def test_a_load_that_could_hurt_the_host_is_not_pushed(facts: Facts) -> None:
    known = changed(facts, "limits", memory=facts.limits.raw("memory").model_copy(update={"limit": 64 << 20}))
    sandbox = Declared(known)
    sandbox.spare = Spare(memory=100 << 20)

    loads = measure_declared(lambda spec: sandbox, host_cpus=2)  # type: ignore[arg-type,return-value]  # a fake

    assert "memory" not in sandbox.pushed
    assert "a load of 80 MiB could hurt the host, which has 100 MiB of memory to spare" in str(loads["memory"])
