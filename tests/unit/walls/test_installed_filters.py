"""Facts of installed filters: decisions, evidence lines, the table of `isolation filter`, documented refusals."""

from __future__ import annotations

import struct
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "weaknesses"))
from facts_factory import SOUND, record_of
from programs import ALLOW, EPERM, NOTIFY, installed, program, tasks

from provisioner.errors import UnobservedFact
from provisioner.facts.filters import MAX_PROGRAM_TEXT, Filters
from provisioner.paths import ROLES
from pytest_isolation.cli import app
from pytest_isolation.judge.evidence import show_evidence
from pytest_isolation.judge.filters import filter_lines, filter_table
from pytest_isolation.policy.documented_filter import load_refusals, refusals_of
from pytest_isolation.records.record import Record, dump_record
from pytest_isolation.walls.seccomp.actions import Passes
from pytest_isolation.walls.seccomp.program import Installed, read_installed
from pytest_isolation.walls.seccomp.syscalls import call_numbers

UNSEEN = {"unobserved": "EACCES", "why": "not root"}


def record(filters: dict[str, Any], name: str = "docker") -> Record:
    """Return a sound record with other filters."""
    document = SOUND[name][0]()
    document["vmm" if name == "vm" else "outside"]["process"]["filters"] = filters
    return record_of(document)


def read(filters: dict[str, Any]) -> Installed | None:
    outside = record(filters).outside
    assert outside is not None
    return read_installed(outside.process, "x86_64")


def test_the_weakest_of_several_tasks_counts() -> None:
    found = read(tasks({1: [program({"bpf": EPERM})], 2: [program({"bpf": NOTIFY})], 3: [program({"bpf:0=5": EPERM})]}))
    assert found is not None

    assert len(found.stacks) == 3
    assert found.passes("x86_64", call_numbers("x86_64")["bpf"]) is Passes.SOMETIMES
    assert found.passes("x86_64", call_numbers("x86_64")["bpf"], (5,)) is Passes.HANDED


def test_equal_stacks_of_filters_are_computed_once() -> None:
    same = program({})
    found = read(tasks({1: [same], 2: [same]}))

    assert found is not None
    assert found.stacks == ((same,),)


def test_a_number_beyond_the_table_is_computed_too() -> None:
    found = read(installed(program({}, default=EPERM)))

    assert found is not None
    assert found.passes("x86_64", 9999) is Passes.NEVER


def test_unobserved_filters_are_none_and_partly_observed_ones_raise() -> None:
    part = tasks({1: [program({})], 2: []})
    part["tasks"][1]["stack"] = UNSEEN

    assert read(UNSEEN) is None
    with pytest.raises(UnobservedFact):
        read(part)
    with pytest.raises(UnobservedFact, match="no task"):
        read({"tasks": [], "programs": [], "stopped_us": 0})


def test_a_stack_names_programs_that_are_there() -> None:
    with pytest.raises(ValidationError, match="task 1 should name programs below 0"):
        Filters.model_validate({"tasks": [{"pid": 1, "tid": 1, "stack": [0]}], "programs": [], "stopped_us": 0})


def test_a_program_in_facts_is_one_that_a_kernel_installs() -> None:
    jump_out = b64encode(struct.pack("<HBBI", 0x05, 0, 0, 7)).decode()  # BPF_JMP|BPF_JA over the end
    for text, why in (
        ("not base64!", "base64"),
        ("A" * (MAX_PROGRAM_TEXT + 4), "at most"),
        ("", "0 bytes"),
        ("AAAA", "3 bytes"),
        (jump_out, "jumps out of the program"),
    ):
        with pytest.raises(ValidationError, match=why):
            Filters.model_validate({"tasks": [], "programs": [text], "stopped_us": 0})


def test_evidence_says_what_passes_and_what_is_undocumented() -> None:
    lines = filter_lines(record(installed(program({"bpf": EPERM}))))

    assert lines[0].startswith("installed filter of the sandbox's 1 tasks: 1 of ")
    assert lines[1].startswith("it allows by default; dangerous calls that it lets through: 73 of 74: _sysctl, acct, ")
    assert " bpf," not in lines[1]
    assert lines[2].startswith("let through though documented as refused (Docker docs")
    assert " mount, " in lines[2]
    assert " bpf," not in lines[2]
    assert show_evidence(record(installed(program({}))), ["filter"])[1] == tuple(
        filter_lines(record(installed(program({}))))
    )


def test_evidence_of_a_vm_shows_its_hypervisors_filter() -> None:
    lines = filter_lines(record(installed(program({})), "vm"))

    assert lines[0].startswith("installed filter of the hypervisor's 1 tasks")
    assert lines[2] == "qemu documents no filter"


def test_evidence_says_that_filters_are_unobserved() -> None:
    assert filter_lines(record(UNSEEN)) == ["installed filter: not observed: not root"]
    assert "could not be observed" in filter_lines(record({"tasks": [], "programs": [], "stopped_us": 0}))[0]
    assert list(filter_table(record(UNSEEN)))[1:] == ["  installed filter: not observed: not root"]


def test_the_table_shows_each_call_that_some_abi_refuses(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(dump_record(record(installed(program({"bpf": EPERM}, ("x86_64", "i386"), foreign=ALLOW)))))
    done = CliRunner().invoke(app, ["filter", str(path)])
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}

    assert done.exit_code == 0
    assert "x86_64 321: errno EPERM" in rows["bpf"]
    assert "i386 357: errno EPERM" in rows["bpf"]
    assert "x32 321: allow" in rows["bpf"]
    assert rows["mount"].endswith("<- documented as refused")
    assert rows["newer"].startswith("  newer than this kernel, Linux ")
    assert "listns" in rows["newer"]
    assert "read" not in rows
    assert "read" in CliRunner().invoke(app, ["filter", "--all", str(path)]).stdout.split()


@pytest.mark.parametrize("path", sorted(ROLES.glob("*/seccomp.yaml")), ids=lambda path: path.parent.name)
def test_documented_refusals_name_known_calls(path: Path) -> None:
    found = load_refusals(path)
    known = set(call_numbers("x86_64")) | set(call_numbers("i386"))

    assert not {call for call in found.refuses if call not in known and not call.startswith("pciconfig_")} - {
        "swapcontext"
    }
    assert set(found.by_arguments) <= known
    assert refusals_of(path.parent.name) == found
