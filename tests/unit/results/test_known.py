"""pytest_isolation.results.known: the file of known flaws, and how versions stand to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_records import blank

from provisioner.errors import IsolationError
from provisioner.runtimes.load import load_runtime
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import bundled_ids
from pytest_isolation.results.known import (
    Known,
    bundled,
    by_check,
    components_of,
    kernel_version,
    load_known,
    versions_of,
)

ENTRY = """\
- id: CVE-2024-21626
  component: runc
  title: a descriptor leaked
  affected: [">=1.0.0-rc93,<1.1.12"]
  fixed: [1.1.12]
  debian: [1.1.5+ds1-1+deb12u1]
  checks: [fd.outside_dir]
  sign: a descriptor outside
  source: the advisory
  read: CVE record
"""


def load(tmp_path: Path, text: str) -> tuple[Known, ...]:
    path = tmp_path / "known.yaml"
    path.write_text(text)
    return load_known(path)


@pytest.fixture
def runc(tmp_path: Path) -> Known:
    (known,) = load(tmp_path, ENTRY)
    return known


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ENTRY.replace("affected", "afected"), "known.yaml:4: unknown key 'afected'"),
        (ENTRY.replace("affected", "afected"), "did you mean 'affected'?"),
        (ENTRY.replace("  read: CVE record\n", ""), "missing key 'read'"),
        (ENTRY.replace("component: runc", "component: rnc"), "did you mean 'runc'?"),
        (ENTRY.replace(">=1.0.0-rc93,<1.1.12", "1.0 to 1.1"), "should be a range such as '>=1.0.0-rc93,<1.1.12'"),
        (ENTRY.replace("fixed: [1.1.12]", "fixed: [1.1.11]"), "CVE-2024-21626: 1.1.11 is fixed and affected"),
        (ENTRY.replace("fixed: [1.1.12]", "fixed: [1.2]"), "fixed"),  # a number, where a text is meant
        (ENTRY.replace("1.1.5+ds1-1", "1.1.13+ds1-1"), "1.1.13+ds1-1+deb12u1 needs no backport"),
        (ENTRY.replace("1.1.5+ds1-1+deb12u1", "1.1.5"), "debian"),
        (ENTRY.replace("[fd.outside_dir]", "[outside]"), "checks"),
        (ENTRY.replace("[fd.outside_dir]", "[]"), "checks"),
        (ENTRY + ENTRY, "CVE-2024-21626 of runc is there twice"),
        ("id: CVE-2024-21626\n", "known.yaml:1:"),
    ],
)
def test_a_wrong_entry_is_an_error_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(IsolationError) as caught:
        load(tmp_path, text)

    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.1.11", "in range"),
        ("1.0.0-rc93", "in range"),
        ("1.1.11-0-gabcdef1", "in range"),
        ("1.1.12", None),
        ("1.0.0-rc92", None),
        ("1.1.5+ds1", "unknown"),  # which package it is nobody tells
        ("1.1.5+ds1-1", "in range"),  # Debian's, before Debian's fix
        ("1.1.5+ds1-1+deb12u1", None),
        ("1.1.5+ds1-1+deb12u1+b3", None),
        ("1.1.7-0ubuntu2", "unknown"),  # whose fix is not known
        ("1.1.4-5-gabcdef1", "unknown"),  # between two releases
        ("1.1.12+ds1-2", None),  # a fix that is in stays in
        ("unknown", None),
        ("", None),
    ],
)
def test_a_distributions_build_is_unknown_unless_its_fix_is_known(
    runc: Known, version: str, expected: str | None
) -> None:
    assert expected == runc.standing(version)


def test_the_range_that_fits_is_returned() -> None:
    known = next(one for one in bundled() if one.id == "CVE-2025-31133")
    every = next(one for one in bundled() if one.id == "bubblewrap #287")

    assert tuple(map(known.range_of, ("1.1.5", "1.3.1", "1.3.3"))) == ("<1.2.8", ">=1.3.0-rc.1,<1.3.3", "")
    assert "every version" == every.range == every.range_of("0.8.0")


def test_the_bundled_file_names_checks_of_the_suite_and_where_it_was_read() -> None:
    assert len(bundled()) >= 40
    assert {check for known in bundled() for check in known.checks} <= bundled_ids()
    assert {"CVE-2022-24769"} == {one.id for one in by_check(bundled())["cap.ambient"] if one.component == "containerd"}


def test_the_versions_of_a_records_components() -> None:
    record = blank()
    target = record.target.model_copy(
        update={"versions": {"docker": "20.10.24"}, "conditions": Conditions(kernel="6.1.9")}
    )
    vm = target.model_copy(update={"kind": "vm", "boundary": "vmm", "versions": {"qemu": "7.2.4"}})
    kvm = vm.model_copy(update={"conditions": Conditions(kernel="6.1.9", accelerator="kvm: /dev/kvm works")})
    sentry = target.model_copy(update={"boundary": "sentry"})

    def told(target: object) -> dict[str, str]:
        return dict(versions_of(record.model_copy(update={"target": target})))

    assert told(target) == {"docker": "20.10.24", "kernel": "6.1.9"}
    assert told(vm) == {"qemu": "7.2.4"}  # its kernel is its own, and nobody's KVM runs it
    assert told(kvm) == {"qemu": "7.2.4", "kvm": "6.1.9"}
    assert told(sentry) == {"docker": "20.10.24"}  # a kernel of its own stands before the host's
    assert versions_of(record) == {}


def test_debians_kernel_has_the_version_of_its_package() -> None:
    told = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)"

    assert kernel_version("6.1.0-18-amd64", told) == "6.1.76-1"
    assert kernel_version("6.1.131", "#1 SMP PREEMPT_DYNAMIC @0") == "6.1.131"


def test_the_components_of_a_runtime_come_from_its_role() -> None:
    assert {"docker", "containerd", "runc", "kernel"} == components_of(load_runtime("docker"))
    assert {"podman", "crun", "runc", "kernel"} == components_of(load_runtime("podman"))
    assert {"systemd", "kernel"} == components_of(load_runtime("nspawn"))
    assert {"qemu", "kvm"} == components_of(load_runtime("qemu"))
    assert {"kernel"} == components_of(load_runtime("self"))
