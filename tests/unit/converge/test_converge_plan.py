"""provisioner.converge.plan: a plan is a difference, and whoever does what it says has nothing left to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fakes_converge import ModelMachine
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.converge.kinds import Aspect, Change
from provisioner.converge.plan import Plan, plan_wanted, render_diff
from provisioner.converge.resources.file import PresentFile, WantedFile
from provisioner.converge.resources.module import Modules
from provisioner.converge.resources.package import LaterPackage, Packages
from provisioner.converge.resources.service.units import PresentService, Services, WantedService
from provisioner.converge.resources.sysctl import Sysctls
from provisioner.converge.state import Present, Wanted

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from(["0", "1"])
FILES = st.sampled_from(["/etc/a", "/etc/systemd/system/a.service"])
STATUS = st.sampled_from(["absent", "installed", "unpacked", "half-configured", "triggers pending"])
HAPPENED = st.booleans()
LATER = st.builds(LaterPackage, name=NAMES.map("{0}{0}".format), debian=st.sampled_from([12, 13]))


def wanted_states() -> st.SearchStrategy[Wanted]:
    files = st.builds(WantedFile, VALUES.map(str.encode), st.sampled_from([0o644, 0o600]), NAMES, st.just("root"))
    services = st.builds(
        WantedService,
        st.sampled_from(["started", "stopped", None]),
        st.sampled_from([True, False, None]),
        st.lists(FILES, max_size=2).map(tuple),
    )
    return st.builds(
        Wanted,
        st.fixed_dictionaries(
            {
                "package": st.lists(NAMES | LATER, unique=True).map(tuple),
                "module": st.lists(NAMES, unique=True).map(lambda names: tuple(sorted(names))),
                "file": st.dictionaries(FILES, files),
                "sysctl": st.dictionaries(NAMES, VALUES),
                "service": st.dictionaries(NAMES.map("{}.service".format), services),
            }
        ),
    )


def present_states() -> st.SearchStrategy[Present]:
    types = st.sampled_from([0o100000, 0o120000])
    found = st.builds(PresentFile, types, st.just(0o644), NAMES, st.just("root"), st.just("0" * 64))
    units = st.builds(
        PresentService,
        st.sampled_from(["loaded", "not-found", "masked"]),
        st.sampled_from(["active", "inactive", "failed", "activating"]),
        st.sampled_from(["enabled", "disabled", "masked", "masked-runtime", "absent", "static"]),
        HAPPENED,
        HAPPENED,
    )
    return st.builds(
        Present,
        st.just("web"),
        st.fixed_dictionaries(
            {
                "package": st.builds(
                    Packages,
                    st.dictionaries(st.sampled_from(["a", "b", "z"]), STATUS),
                    HAPPENED,
                    st.sampled_from([0, 12, 13]),
                ),
                "module": st.builds(Modules, st.frozensets(NAMES), st.lists(NAMES).map(tuple)),
                "file": st.dictionaries(FILES, found),
                "sysctl": st.builds(Sysctls, st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES)),
                "service": st.builds(Services, st.dictionaries(NAMES.map("{}.service".format), units)),
            }
        ),
    )


@settings(deadline=None)
@given(wanted_states(), present_states())
def test_whoever_does_what_a_plan_says_has_nothing_left_to_do(wanted: Wanted, present: Present) -> None:
    machine = ModelMachine(present)
    machine.take(wanted, plan_wanted(wanted, present).changes)

    assert plan_wanted(wanted, machine.present).changes == ()


@settings(deadline=None)
@given(wanted_states(), present_states())
def test_every_change_has_a_step_and_no_step_is_without_a_change(wanted: Wanted, present: Present) -> None:
    plan = plan_wanted(wanted, present)

    assert {step.kind for step in plan.steps} == {change.kind for change in plan.changes}
    assert [step.rank for step in plan.steps] == sorted(step.rank for step in plan.steps)


def plan(**kinds: tuple[Any, Any]) -> Plan:
    nothing: Mapping[str, tuple[Any, Any]] = {
        "package": ((), Packages({})),
        "module": ((), Modules()),
        "file": ({}, {}),
        "sysctl": ({}, Sysctls()),
        "service": ({}, Services({})),
    }
    both = {**nothing, **kinds}
    present = Present("web", {name: found for name, (_, found) in both.items()})
    return plan_wanted(Wanted({name: wanted for name, (wanted, _) in both.items()}), present)


def test_a_plan_is_shown_with_every_kind_and_a_unified_diff() -> None:
    shown = plan(
        package=(("jq",), Packages({})),
        module=(("veth",), Modules()),
        file=(
            {"/etc/x": WantedFile(b"new\n", 0o644, "root", "root")},
            {"/etc/x": PresentFile(0o100000, 0o600, "root", "root", "0" * 64, b"old\n")},
        ),
        sysctl=({"net/ipv4/ip_forward": "1"}, Sysctls({"net/ipv4/ip_forward": "0"})),
        service=({"web.service": WantedService("started")}, Services({})),
    )

    assert render_diff(shown) == [
        "web: 5 to change",
        "  package jq: status: absent → installed",
        "  module veth: now: absent → loaded; at boot: absent → loaded",
        "  file /etc/x: content: sha256 000000000000 → 7aa7a5359173; mode: 0600 → 0644",
        "    --- /etc/x (present)",
        "    +++ /etc/x (role)",
        "    @@ -1 +1 @@",
        "    -old",
        "    +new",
        "  sysctl net/ipv4/ip_forward: now: 0 → 1; at boot: absent → 1",
        "  service web.service: unit file: absent → held back until its files are written; state: absent → started",
    ]


def test_a_machine_as_wanted_has_one_line() -> None:
    assert render_diff(plan()) == ["web: nothing to change"]


def test_what_a_machines_files_hold_cannot_steer_a_terminal() -> None:
    change = Change("file", "/etc/x", (Aspect("content", "a", "b"),), ("-\x1b[2J\x9b\tx\r",))

    assert render_diff(Plan("web", Wanted(), (change,)))[-1] == "    -\\x1b[2J\\x9b\tx\\x0d"
