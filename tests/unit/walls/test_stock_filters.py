"""Filters that runtimes installed (script/filters): none alone is a finding, and with one more call each is."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "weaknesses"))
from facts_factory import SOUND, record_of
from judging import judge
from programs import ALLOW, EQUAL, LOAD, RETURN, assemble, installed

from provisioner.paths import ROLES
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.documented_filter import default_filter
from pytest_isolation.policy.expected import load_expected
from pytest_isolation.walls.seccomp.actions import Passes
from pytest_isolation.walls.seccomp.bpf import Bits
from pytest_isolation.walls.seccomp.program import Installed
from pytest_isolation.walls.seccomp.reasons import Question, questions, reasons
from pytest_isolation.walls.seccomp.syscalls import ABIS, call_numbers

STOCK = {
    path.stem: json.loads(path.read_text()) for path in (Path(__file__).parents[2] / "data/filters").glob("*.json")
}
ENGINES = sorted(name for name, found in STOCK.items() if found["runtime"] in ("docker", "podman"))
OWN = call_numbers("x86_64")
CHECK = "seccomp.dangerous"
ANY_BIT = 0x45  # BPF_JMP | BPF_JSET


def programs(name: str) -> list[bytes]:
    return [base64.b64decode(text) for text in STOCK[name]["filters"]["programs"]]


def default(name: str) -> tuple[str, Conditions]:
    return STOCK[name]["runtime"], Conditions(version=STOCK[name]["version"])


def refused(name: str) -> list[Question]:
    """Return what the default filter is documented to refuse."""
    runtime, conditions = default(name)
    documented = default_filter(runtime, conditions)
    asked = [one for one in questions() if one.upper_of is None and one.call in OWN]
    return [one for one in asked if not documented.lets_through(one.call, one.label)]


def verdict(name: str, *stack: bytes) -> tuple[str, str]:
    """Return the verdict about a sandbox of this runtime with other filters, and its reason."""
    document = SOUND["docker"][0]()
    runtime, conditions = default(name)
    document["outside"]["process"]["filters"] = installed(*stack)
    record = record_of(document)
    known = record.target.conditions.model_copy(update={"version": conditions.version})
    target = record.target.model_copy(update={"runtime": runtime, "conditions": known})
    found, reason = judge(record.model_copy(update={"target": target}), frozenset({CHECK}))[CHECK]
    return str(found), reason


@pytest.mark.parametrize(
    ("runtime", "row", "answer", "expected"),
    [
        ("lxc", "bpf.bad_cmd", "EINVAL", "none beyond its default"),
        ("lxc", "open_by_handle_at.null", "EFAULT", "the filter lets through open_by_handle_at"),
        ("docker", "bpf.bad_cmd", "EINVAL", "the filter lets through bpf"),
        ("docker", "bpf.bad_cmd", "EPERM", ""),
    ],
)
def test_tries_count_what_the_default_filter_refuses_where_no_program_was_read(
    runtime: str, row: str, answer: str, expected: str
) -> None:
    document = SOUND["docker"][0]()
    document["outside"]["process"]["filters"] = {"unobserved": "", "why": "not asked for"}
    document["inside"]["system"]["tries"][row]["result"] = answer
    record = record_of(document)
    target = record.target.model_copy(update={"runtime": runtime})
    _, reason = judge(record.model_copy(update={"target": target}), frozenset({CHECK}))[CHECK]

    assert expected in reason
    assert bool(expected) == bool(reason)


def allowing(question: Question, stock: bytes) -> bytes:
    """Return a program that allows one call with the arguments of a question, and asks the given one otherwise."""
    codes = [(LOAD, 0, 0, 4), (EQUAL, 0, 0, ABIS["x86_64"].arch), (LOAD, 0, 0, 0), (EQUAL, 0, 0, OWN[question.call])]
    compare = ANY_BIT if reasons()[question.call].flags else EQUAL
    for index, value in enumerate(question.args or ()):
        assert isinstance(value, Bits)
        if value.value:
            codes += [(LOAD, 0, 0, 16 + 8 * index), (compare, 0, 0, value.value)]
    codes.append((RETURN, 0, 0, ALLOW))
    # what does not match goes on to the given program, which starts after these
    end = len(codes) - 1
    rule = [(code, 0, end - at if code in (EQUAL, ANY_BIT) else 0, k) for at, (code, _, _, k) in enumerate(codes)]
    return assemble(rule) + stock


@pytest.mark.parametrize("name", sorted(STOCK))
def test_a_stock_filter_is_no_finding(name: str) -> None:
    runtime, conditions = default(name)
    found, reason = verdict(name, *programs(name))
    documented = load_expected(ROLES / runtime / "expected.yaml").find(CHECK, conditions)

    assert found == "holds" or (documented is not None and documented.covers(found, reason)), reason


@pytest.mark.parametrize(
    ("name", "question"),
    [pytest.param(name, one, id=f"{name}: {one.label}") for name in sorted(STOCK) for one in refused(name)],
)
def test_a_stock_filter_with_one_more_call_is_a_finding(name: str, question: Question) -> None:
    runtime, conditions = default(name)
    stack = [allowing(question, one) for one in programs(name)]
    found, reason = verdict(name, *stack)
    documented = load_expected(ROLES / runtime / "expected.yaml").find(CHECK, conditions)

    assert found == "open"
    assert question.label in reason or f"{question.call}(" in reason
    assert documented is None or not documented.covers(found, reason)


@pytest.mark.parametrize("name", ENGINES)
def test_the_interpreter_agrees_with_the_added_rule(name: str) -> None:
    for question in refused(name):
        added = Installed(((allowing(question, programs(name)[0]),),), ("x86_64",))

        assert added.passes("x86_64", OWN[question.call], question.args) is Passes.ALWAYS, question.label


@pytest.mark.parametrize("runtime", ["runc", "crun", "bwrap", "unshare"])
@pytest.mark.parametrize("name", sorted(STOCK))
def test_no_filter_by_design_does_not_excuse_a_filter(runtime: str, name: str) -> None:
    expected = load_expected(ROLES / runtime / "expected.yaml").find(CHECK, Conditions())
    assert expected is not None
    deny_list = assemble(
        [(LOAD, 0, 0, 0), (EQUAL, 0, 1, OWN["bpf"]), (RETURN, 0, 0, 0x00050001), (RETURN, 0, 0, ALLOW)]
    )

    assert expected.covers(*verdict(name))
    assert not expected.covers(*verdict(name, deny_list))
    assert not expected.covers(*verdict(name, allowing(Question("bpf"), programs(name)[0])))


def test_a_runtime_that_documents_no_filter_is_measured_by_the_newest_whatever_its_version() -> None:
    measure = default_filter("runc", Conditions(version="1.1.5"))

    assert default_filter("runc", Conditions(), unread=True) == measure
    assert not measure.lets_through("socket", "socket(AF_VSOCK)")
    assert default_filter("docker", Conditions(), unread=True) != default_filter("docker", Conditions())
