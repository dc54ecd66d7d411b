"""Takes every view of one target's sandbox, and of the peer beside it: one round trip for each view.

In: a target and its live sandboxes.
Out: a `Record`.  A view that fails is a fact too: it is unobserved, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from provisioner.errors import IsolationError, UnobservedFact
from provisioner.facts.document import Facts
from provisioner.facts.image import ImageSeen
from provisioner.facts.reach import Reaches
from provisioner.facts.served_sockets import ServedSocket
from provisioner.faults.explain import explained
from provisioner.hosts.host import Host
from provisioner.limits.document import Loads
from provisioner.observed import Unobserved, unobserved
from provisioner.runtimes.declared import Declared
from provisioner.sandboxes.attached import UNTOUCHED
from pytest_isolation.records.initial import initial_host_facts
from pytest_isolation.records.kernels import settle
from pytest_isolation.records.record import Record
from pytest_isolation.targets.conditions import describe
from pytest_isolation.targets.target import Target

T = TypeVar("T")


class Peer(Protocol):
    """The second sandbox beside a target's own, or what was seen of it before."""

    def inside(self) -> Facts: ...
    def outside(self) -> Facts | None: ...


class Observable(Protocol):
    """What can be observed: a `Sandbox` that we made, or an `Attached` one."""

    host: Host
    outer: Host
    provider: str  # of the machine that it is, as lab.yaml names it; "" for other sandboxes

    def inside(self, peer: Facts | None = None, own: Facts | None = None) -> Facts: ...
    def outside(self) -> Facts | None: ...
    def vmm(self) -> Facts | None: ...
    def exec_facts(self) -> Facts: ...
    def image(self) -> ImageSeen | None: ...
    def served_sockets(self) -> list[ServedSocket]: ...
    def declared(self) -> Declared | None: ...


def observe_sandbox(target: Target, main: Observable, peer: Peer | None) -> Record:
    """
    Observe a sandbox from inside, from outside and through its runtime's exec, and observe its peer.

    Args:
        target: the target that they are sandboxes of.
        main: the target's own sandbox.
        peer: the second sandbox beside it, or None if there is none.

    Raises:
        IsolationError: the inside view failed, and nobody named the target.
    """
    no_peer = target.runtime.cannot.get("peer", "no peer was made")
    peer_outside = try_observe(peer.outside) if peer else unobserved(no_peer)
    named = peer_outside if isinstance(peer_outside, Facts) else None
    outside = try_observe(main.outside)
    own = outside if isinstance(outside, Facts) else None
    lenient = target.attached or (target.named and target.runtime.boundary != "none")
    inside = try_observe(lambda: main.inside(named, own)) if lenient else main.inside(named, own)
    unseen = _why_unseen(inside) if target.attached else None
    record = Record.model_construct(
        schema_=1,
        run=main.host.run.id,
        target=describe(target, main.host, main.outer, main.provider, unseen, getattr(main, "oci", "")),
        host=initial_host_facts(inside) if target.runtime.boundary == "none" else main.outer.facts_beside(),
        inside=inside,
        outside=outside,
        vmm=try_observe(main.vmm),
        exec_=try_observe(main.exec_facts),
        image=try_observe(main.image),
        served_sockets=try_observe(main.served_sockets),
        declared=try_observe(main.declared),
        peer_inside=try_observe(peer.inside) if peer else unobserved(no_peer),
        peer_outside=peer_outside,
        loads=Loads({}),
        reaches=Reaches({}),
    )
    return settle(record)


def why_silent(record: Record) -> str:
    """Say why a sandbox that this run made has no inside view: it answered something else.  "" if it has one."""
    inside = record.raw("inside")
    return inside.why if isinstance(inside, Unobserved) and not record.target.attached else ""


def _why_unseen(inside: Facts) -> str:
    """Say why the inside view of an attached sandbox is missing or incomplete."""
    return inside.why if isinstance(inside, Unobserved) else UNTOUCHED


def try_observe(look: Callable[[], T]) -> T:
    """Return what `look` returns, or an unobserved fact with the reason if it cannot be done here and now."""
    try:
        with explained():
            return look()
    except (IsolationError, UnobservedFact) as error:
        nobody: T = unobserved(str(error))
        return nobody
