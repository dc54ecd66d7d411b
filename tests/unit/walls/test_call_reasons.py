"""The classes of all system calls, and what a filter that allows some of them is found to let through."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "weaknesses"))
from programs import ALLOW, EPERM, LOG, NOTIFY, program
from sound.filters import ASKED, RULES, rule

from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.documented_filter import default_filter, refusals_of
from pytest_isolation.walls.capabilities import NAMES
from pytest_isolation.walls.seccomp.bpf import ANY, Bits
from pytest_isolation.walls.seccomp.program import Installed
from pytest_isolation.walls.seccomp.reasons import TABLE, Class, Question, questions, reasons
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
        assert row.arguments or not (row.flags or row.never)


def test_what_the_engines_document_as_refused_has_a_reason() -> None:
    for runtime in ("docker", "podman", "lxc"):
        documented = refusals_of(runtime)
        assert documented is not None
        refused = {*documented.refuses, *documented.by_arguments} - OTHER_MACHINES - {"socket"}

        assert refused - DANGEROUS <= OBSOLETE, runtime


@pytest.mark.parametrize("runtime", ["docker", "podman", "nspawn"])
def test_what_a_runtime_documents_as_let_through_is_asked_elsewhere(runtime: str) -> None:
    documented = refusals_of(runtime)
    assert documented is not None
    labels = {one.label for one in questions()}
    named = {name for entry in documented.lets_through for name in (*entry.calls, *entry.but)}

    assert named <= labels | DANGEROUS
    if runtime != "podman":  # its newer filters let through what an older one refused
        assert not {
            call for call in documented.refuses if default_filter(runtime, Conditions()).lets_through(call, call)
        }


def lets(runtime: str, call: str, **conditions: str) -> bool:
    name, _, _ = call.partition("(")
    return default_filter(runtime, Conditions(**conditions)).lets_through(name, call)  # type: ignore[arg-type]  # words of a table


def test_a_runtime_without_a_documented_filter_is_measured_by_dockers_newest() -> None:
    assert not lets("runc", "io_uring_setup", version="1.1.5")
    assert lets("runc", "ptrace")
    assert lets("podman", "keyctl")
    assert not lets("runc", "keyctl")


def test_a_deny_list_lets_through_what_it_does_not_refuse() -> None:
    assert lets("lxc", "keyctl")
    assert not lets("lxc", "init_module")


def test_versions_of_docker_differ() -> None:
    for call, before, since in (
        ("io_uring_setup", "20.10.24+dfsg1", "28.2.2"),
        ("socket(AF_VSOCK)", "20.10.24+dfsg1", "28.2.2"),
        ("socket(AF_ALG)", "28.2.2", "29.5.0"),
    ):
        assert lets("docker", call, version=before)
        assert not lets("docker", call, version=since)


def test_an_allow_list_refuses_by_default_and_a_deny_list_does_not() -> None:
    assert not SOUND.allows_by_default
    assert Installed(((program({"bpf": EPERM}),),), ("x86_64",)).allows_by_default


LABELS = tuple(one.label for one in ASKED if one.call in OWN)
ADDED = st.dictionaries(st.sampled_from(LABELS), st.sampled_from((ALLOW, LOG, NOTIFY)), max_size=6)
TAKEN = st.sets(st.sampled_from(sorted(RULES)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(ADDED, TAKEN)
def test_drawn_calls_beside_the_sound_filter_are_found_and_no_others(added: dict[str, int], taken: set[str]) -> None:
    first = {rule(label): value for label, value in added.items()}
    kept = {call: value for call, value in RULES.items() if call not in taken | first.keys()}
    drawn = Installed(((program({**first, **kept}, ("x86_64",), default=EPERM),),), ("x86_64",))

    rules = {**first, **kept}

    found = {one.label for one in drawn.let_through if one in ASKED}

    assert {one.label for one in ASKED if one.call in OWN and _passes(one, rules)} == found


def _passes(question: Question, rules: Mapping[str, int]) -> bool:
    """Whether some of the calls of a question pass, by the first rule that meets each."""
    for written, value in rules.items():
        call, _, argument = written.partition(":")
        meets, meets_all = _meets(question, argument) if call == question.call else (False, False)
        if meets and value in (ALLOW, LOG):
            return True
        if meets_all:
            return False
    return False


def _meets(question: Question, argument: str) -> tuple[bool, bool]:
    """Return whether a rule about an argument meets some of a question's calls, and whether it meets all."""
    if not argument:
        return True, True
    met = [_meets_one(question, one) for one in argument.split(",")]
    return all(some for some, _ in met), all(every for _, every in met)


def _meets_one(question: Question, argument: str) -> tuple[bool, bool]:
    index, wanted = (int(part, 0) for part in argument.replace("&", "=").split("="))
    asked = question.args[index] if question.args is not None else ANY
    assert isinstance(asked, Bits)
    known = asked.mask & 0xFFFFFFFF
    if "&" in argument:
        return bool((asked.value | ~known) & wanted), bool(asked.value & wanted)
    return not (asked.value ^ wanted) & known, known == 0xFFFFFFFF and asked.value == wanted
