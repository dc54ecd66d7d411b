"""Takes every view of one target's sandbox, and of the peer beside it: one round trip for each view.

In: a target, its host, the live sandboxes.  Out: a `Record`.  Called by pool.py, and by tests that plant weaknesses.
A view that fails is itself a fact: nobody saw it, and why.  Judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from provisioner.errors import IsolationError
from provisioner.facts.document import Facts
from provisioner.facts.image import ImageSeen
from provisioner.facts.reach import Reaches
from provisioner.hosts.host import Host
from provisioner.limits.document import Loads
from provisioner.observed import Unobserved, unobserved
from provisioner.sandboxes.attached import UNTOUCHED
from pytest_isolation.records.record import Record, TargetInfo
from pytest_isolation.targets.conditions import describe, initial_host_facts
from pytest_isolation.targets.select import Target

T = TypeVar("T")


class Observable(Protocol):
    """What can be looked at: a Sandbox, or an Attached one."""

    host: Host
    outer: Host
    provider: str  # what started the machine that it is, as lab.yaml names it; "" where it is none

    def inside(self, peer: Facts | None = None) -> Facts: ...
    def outside(self) -> Facts | None: ...
    def vmm(self) -> Facts | None: ...
    def exec_facts(self) -> Facts: ...
    def image(self) -> ImageSeen | None: ...


def observe(target: Target, main: Observable, peer: Observable | None) -> Record:
    """
    Look at a sandbox from inside, from outside, through its runtime's exec, and at its peer.

    Args:
        target: what they are sandboxes of.
        main: the target's own; its inside view is the one that must succeed, unless somebody else made it.
        peer: the second one, None where there can be none.

    Raises:
        IsolationError: the sandbox does not answer.
    """
    no_peer = target.runtime.cannot.get("peer", "no peer was made")
    beside = try_observe(peer.outside) if peer else unobserved(no_peer)
    named = beside if isinstance(beside, Facts) else None
    inside = try_observe(main.inside) if target.attached else main.inside(named)
    outside = try_observe(main.outside)
    return Record.model_construct(
        schema_=1,
        run=main.host.run.id,
        target=_described(target, main, inside),
        host=initial_host_facts(inside) if target.runtime.boundary == "none" else main.outer.facts_beside(),
        inside=inside,
        outside=outside,
        vmm=try_observe(main.vmm),
        exec_=try_observe(main.exec_facts),
        image=try_observe(main.image),
        peer_inside=try_observe(peer.inside) if peer else unobserved(no_peer),
        peer_outside=beside,
        loads=Loads({}),
        reaches=Reaches({}),
    )


def _described(target: Target, main: Observable, inside: Facts) -> TargetInfo:
    """Say of an attached one that it is, and for the policy why not all of its inside was try_observe."""
    info = describe(target, main.host, main.outer, main.provider)
    if not target.attached:
        return info
    unseen = {"unseen": inside.why if isinstance(inside, Unobserved) else UNTOUCHED}
    return info.model_copy(update={"attached": True, "conditions": {**info.conditions, **unseen}})


def try_observe(look: Callable[[], T]) -> T:
    """Take a look whose failure is itself a fact."""
    try:
        return look()
    except IsolationError as error:
        nobody: T = unobserved(str(error))
        return nobody
