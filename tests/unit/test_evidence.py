"""Evidence of the hypervisor's process stands among what was seen from outside."""

from __future__ import annotations

from typing import Any

from provisioner.sandboxes.observed import Observed, Unobserved
from pytest_isolation.evidence import show_evidence


class Process(Observed):
    uid: list[int]


class Views:
    """Stands for a record: its views by name."""

    def __init__(self, **views: Any) -> None:
        self._views = views

    def seen(self, name: str) -> Any:
        return self._views.get(name)


class Vmm(Observed):
    process: Process


def test_a_fact_of_the_hypervisors_process_is_shown_from_outside_alone() -> None:
    record: Any = Views(vmm=Vmm(process=Process(uid=[64055])))

    assert show_evidence(record, ["vmm.process.uid"]) == ((), ("vmm.process.uid = [64055]",))


def test_a_container_has_none_and_one_that_nobody_saw_is_told_as_such() -> None:
    none: Any = Views(vmm=None)
    unseen: Any = Views(vmm=Unobserved(unobserved="EACCES", why="open fd"))

    assert show_evidence(none, ["vmm.listeners"])[1] == ("vmm.listeners = there is no hypervisor",)
    assert show_evidence(unseen, ["vmm.listeners"])[1] == ("vmm.listeners = not observed: open fd (EACCES)",)
