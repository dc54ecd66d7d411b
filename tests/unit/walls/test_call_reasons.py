"""The classes of all system calls, and what a filter that allows some of them is found to let through."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "weaknesses"))
from programs import ALLOW, EPERM, LOG, NOTIFY, program
from sound.filters import RULES, rule

from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.documented_filter import let_through_by, refusals_of
from pytest_isolation.walls.capabilities import NAMES
from pytest_isolation.walls.seccomp.actions import Passes
from pytest_isolation.walls.seccomp.program import Installed
from pytest_isolation.walls.seccomp.reasons import TABLE, Class, questions, reasons
from pytest_isolation.walls.seccomp.syscalls import ABIS, call_numbers

ALL = frozenset().union(*(call_numbers(abi) for abi in ABIS))
OWN = call_numbers("x86_64")
DANGEROUS = frozenset(one.call for one in questions())
SOUND = Installed(((program(RULES, ("x86_64",), default=EPERM),),), ("x86_64",))
# calls that a default profile leaves out, or names as obsolete, though nothing in them is dangerous
OBSOLETE = {
    *("bdflush", "create_module", "get_kernel_syms", "nfsservctl", "query_module"),  # no code behind the number
    *("nice", "oldfstat", "oldlstat", "oldolduname", "oldstat", "olduname", "sgetmask", "ssetmask", "sysfs"),
    "io_pgetevents",  # io_getevents, which podman allows, with a mask of signals
}
OTHER_MACHINES = {"pciconfig_iobase", "pciconfig_read", "pciconfig_write", "swapcontext"}


def test_every_call_of_the_newest_kernel_has_one_class() -> None:
    text = TABLE.read_text()

    assert reasons().keys() == ALL
    assert text.count("- class:") == len({id(row) for row in reasons().values()})
    assert sum(len(row.calls) for row in {id(row): row for row in reasons().values()}.values()) == len(ALL)


def test_a_class_by_capability_names_which() -> None:
    for row in reasons().values():
        assert bool(row.needs) is (row.class_ is Class.CAPABILITY), row
        assert set(row.needs) <= set(NAMES)
        assert not row.arguments or row.class_ is Class.SURFACE


def test_what_the_engines_document_as_refused_has_a_reason() -> None:
    for runtime in ("docker", "podman", "lxc"):
        documented = refusals_of(runtime)
        assert documented is not None
        refused = {*documented.refuses, *documented.by_arguments} - OTHER_MACHINES - {"socket"}

        assert refused - DANGEROUS <= OBSOLETE, runtime


def test_what_the_engines_let_through_is_dangerous_elsewhere() -> None:
    for runtime in ("docker", "podman"):
        documented = refusals_of(runtime)
        assert documented is not None

        assert {call for entry in documented.lets_through for call in entry.calls} <= DANGEROUS
    assert not let_through_by("docker", Conditions()) & set(refusals_of("docker").refuses)  # type: ignore[union-attr]


def test_a_runtime_without_a_documented_allow_list_is_measured_by_dockers() -> None:
    assert let_through_by("runc", Conditions()) == let_through_by("docker", Conditions())
    assert "keyctl" in let_through_by("podman", Conditions())
    assert "keyctl" not in let_through_by("lxc", Conditions())


def test_io_uring_is_dockers_own_until_25() -> None:
    assert "io_uring_setup" in let_through_by("docker", Conditions(version="20.10.24+dfsg1"))
    assert "io_uring_setup" not in let_through_by("docker", Conditions(version="28.2.2"))


def test_an_allow_list_refuses_by_default_and_a_deny_list_does_not() -> None:
    assert not SOUND.allows_by_default
    assert Installed(((program({"bpf": EPERM}),),), ("x86_64",)).allows_by_default


LABELS = tuple(one.label for one in questions() if one.call in OWN)
ADDED = st.dictionaries(st.sampled_from(LABELS), st.sampled_from((ALLOW, LOG, NOTIFY)), max_size=6)
TAKEN = st.sets(st.sampled_from(sorted(RULES)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(ADDED, TAKEN)
def test_drawn_calls_beside_the_sound_filter_are_found_and_no_others(added: dict[str, int], taken: set[str]) -> None:
    first = {rule(label): value for label, value in added.items()}
    kept = {call: value for call, value in RULES.items() if call not in taken | first.keys()}
    drawn = Installed(((program({**first, **kept}, ("x86_64",), default=EPERM),),), ("x86_64",))
    # without its rule a flag of clone meets the rule that allows clone
    flags = [one.label for one in questions() if one.call == "clone" and rule(one.label) in taken]
    expected = {one.label for one in SOUND.let_through if one.call not in taken}
    expected |= set(flags) if "clone" not in taken else set()
    expected = expected - added.keys() | {label for label, value in added.items() if value != NOTIFY}

    found = {one.label: how for one, how in drawn.let_through.items()}

    assert expected == found.keys()
    assert set(found.values()) <= {Passes.ALWAYS}
