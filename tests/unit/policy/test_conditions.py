"""pytest_isolation.policy.conditions: the document that archives hold, and the keys that `when` may name."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import When

ARCHIVED = {
    "variant": "default",
    "option": "default",
    "accelerator": "tcg: /dev/kvm is missing",
    "cgroup": "v1",
    "user": "root",
    "sys_admin": "yes",
    "lsm": "",
    "kernel": "6.1.0-18-amd64",
    "ptrace_scope": "0",
    "smt": "off",
    "flaws": "mitigated",
    "env_more": "no",
    "env_proxies": "no",
    "env_secrets": "no",
    "version": "1.1.5+ds1-1+deb12u1",
    "provider": "libvirt",
    "unseen": "it is paused",
}


@pytest.mark.parametrize("document", [ARCHIVED, {}, {"lsm": "", "kernel": "6.1"}])
def test_an_archived_document_is_written_again_byte_for_byte(document: dict[str, str]) -> None:
    text = json.dumps(document, separators=(",", ":"))

    assert Conditions.model_validate_json(text).model_dump_json() == text


@pytest.mark.parametrize("document", ['{"colour": "red"}', '{"cgroup": "v3"}', '{"kernel": 6}'])
def test_an_unknown_condition_is_refused(document: str) -> None:
    with pytest.raises(ValidationError):
        Conditions.model_validate_json(document)


def test_every_key_of_when_is_a_condition() -> None:
    assert [key for key in When.model_fields if not hasattr(Conditions(), key)] == []


def test_an_attached_sandbox_and_a_command_line_are_the_users() -> None:
    made = [Conditions(), Conditions(unseen="it is not entered"), Conditions(command="yes")]

    assert [one.by_user for one in made] == ["no", "yes", "yes"]


@pytest.mark.parametrize(
    ("accelerator", "has_kvm"), [("kvm: /dev/kvm works", True), ("tcg: forced", False), (None, False)]
)
def test_a_vm_that_kvm_runs_is_known_by_its_accelerator(accelerator: str | None, has_kvm: bool) -> None:
    assert Conditions(accelerator=accelerator).has_kvm is has_kvm
