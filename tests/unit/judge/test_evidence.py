"""What a report shows of the facts: from where they were seen, and sets of capabilities by name."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.facts.status import Capabilities
from provisioner.observed import Observed, Unobserved
from pytest_isolation.judge.evidence import show_evidence


class Process(Observed):
    uid: list[int]


class Views:
    """Stands for a record: its views by name."""

    def __init__(self, **views: Any) -> None:
        self._views = views

    def raw(self, name: str) -> Any:
        return self._views.get(name)


class Vmm(Observed):
    process: Process


def test_a_fact_of_the_hypervisors_process_is_shown_only_from_outside() -> None:
    record: Any = Views(vmm=Vmm(process=Process(uid=[64055])))

    assert show_evidence(record, ["vmm.process.uid"]) == ((), ("vmm.process.uid = [64055]",))


def test_a_missing_and_an_unobserved_hypervisor_are_shown_as_such() -> None:
    none: Any = Views(vmm=None)
    unseen: Any = Views(vmm=Unobserved(unobserved="EACCES", why="open fd"))

    assert show_evidence(none, ["vmm.listeners"])[1] == ("vmm.listeners = there is no hypervisor",)
    assert show_evidence(unseen, ["vmm.listeners"])[1] == ("vmm.listeners = not observed: open fd (EACCES)",)


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (0, "0x0: none"),
        (0x20000420, "0x20000420: KILL, NET_BIND_SERVICE, AUDIT_WRITE"),
        (1 << 41 | 1, "0x20000000001: CHOWN, CAP_41"),
        ((1 << 41) - 1, "0x1ffffffffff: all"),
        ((1 << 41) - 1 - (1 << 24), "0x1fffeffffff: all but SYS_RESOURCE"),
    ],
)
def test_capabilities_are_shown_by_name(mask: int, told: str) -> None:
    none: Any = dict.fromkeys(Capabilities.model_fields, 0)
    record: Any = Views(inside=Capabilities(**{**none, "effective": mask}))

    assert show_evidence(record, ["effective"])[0] == (f"effective = {told}",)
