"""Takes every view of one target's sandbox, and of the peer beside it: one round trip for each view.

In: a target, its host, the live sandboxes.  Out: a `Record`.  Called by pool.py, and by tests that plant weaknesses.
A view that fails is itself a fact: nobody saw it, and why.  Judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from provisioner.errors import IsolationError
from provisioner.sandboxes.measured import Loads, Reaches
from provisioner.sandboxes.observed import unobserved
from provisioner.sandboxes.sandbox import Sandbox
from pytest_isolation.describe import describe, initial_host_facts
from pytest_isolation.record import Record
from pytest_isolation.targets import Target

T = TypeVar("T")


def observe(target: Target, main: Sandbox, peer: Sandbox | None) -> Record:
    """
    Look at a sandbox from inside, from outside, through its runtime's exec, and at its peer.

    Args:
        target: what they are sandboxes of.
        main: the target's own; its inside view is the one that must succeed.
        peer: the second one, None where there can be none.

    Raises:
        IsolationError: the sandbox does not answer.
    """
    inside = main.inside()
    no_peer = target.runtime.cannot.get("peer", "no peer was made")
    return Record.model_construct(
        schema_=1,
        run=main.host.run.id,
        target=describe(target, main, inside),
        host=initial_host_facts(inside) if target.runtime.boundary == "none" else main.outer.facts,
        inside=inside,
        outside=seen(main.outside),
        vmm=seen(main.vmm),
        exec_=seen(main.exec_facts),
        peer_inside=seen(peer.inside) if peer else unobserved(no_peer),
        peer_outside=seen(peer.outside) if peer else unobserved(no_peer),
        loads=Loads({}),
        reaches=Reaches({}),
    )


def seen(look: Callable[[], T]) -> T:
    """Take a look whose failure is itself a fact."""
    try:
        return look()
    except IsolationError as error:
        nobody: T = unobserved(str(error))
        return nobody
