"""What a sandbox tells of a host that cannot be asked: the initial namespaces of its kernel.

In: the inside view.
Out: facts of a host.  All of them but six namespaces and the boot id are unobserved.
"""

from __future__ import annotations

from typing import Any

from provisioner.facts.document import Facts
from provisioner.facts.namespaces import INITIAL, Namespaces
from provisioner.observed import unobserved


def initial_host_facts(inside: Facts, why: str = "there is no host to ask from inside") -> Facts:
    """
    Return the facts of a host that are known from inside: the kernel's initial namespaces.

    Six initial namespaces have fixed inodes; network and mount have none.

    Args:
        inside: the inside view of the sandbox.
        why: why all else is unobserved.
    """
    unknown = unobserved(why)
    names: dict[str, Any] = {name: INITIAL.get(name, unknown) for name in Namespaces.model_fields}
    namespaces = Namespaces.model_construct(None, **names)
    blank = dict.fromkeys(type(inside.process).model_fields, unknown)
    process = inside.process.model_copy(update={**blank, "pid": 0, "namespaces": namespaces})
    return inside.model_copy(update={"view": "outside", "process": process, "system": None})
