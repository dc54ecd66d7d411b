"""A declaration that observation contradicts is a finding: a container declared a VM, a VM declared a container."""

from __future__ import annotations

from fact_parts import Dict
from facts_factory import SOUND, record_of
from judging import judge

from pytest_isolation.policy.verdict import Verdict

ASKED = frozenset({"vm.declared", "vm.kernel"})


def judged(document: Dict) -> dict[str, tuple[Verdict, str]]:
    return judge(record_of(document), ASKED)


def test_a_container_that_is_declared_a_vm() -> None:
    document = SOUND["container"][0]()
    document["target"] |= {"kind": "vm", "class": "paravirtualisation", "boundary": "vmm"}
    document["inside"]["boot_id"] = "0" * 8 + "-1111-4111-8111-" + "1" * 12  # made up, as systemd-nspawn does

    found = judged(document)

    assert found["vm.kernel"][0] is Verdict.OPEN
    assert found["vm.declared"][0] is Verdict.OPEN
    assert "it is declared a VM, and runs on the host's kernel: the host sees its process as" in found["vm.declared"][1]


def test_a_vm_that_is_declared_a_container() -> None:
    document = SOUND["vm"][0]()
    document["target"] |= {"kind": "container", "class": "container", "boundary": "process", "engine": None}
    document["inside"]["system"]["kernel"] |= {"banner": "Linux version 5.10.0-guest"}
    document["outside"] = {"unobserved": "", "why": "no process serves its nonce"}

    verdict, reason = judged(document)["vm.declared"]

    assert verdict is Verdict.OPEN
    assert reason.startswith("it is declared a container, and runs a kernel of its own: its boot id")


def test_declarations_that_are_true() -> None:
    for name in SOUND:
        assert judged(SOUND[name][0]())["vm.declared"] == (Verdict.HOLDS, "")
