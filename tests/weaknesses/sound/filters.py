"""Facts of a sound sandbox's seccomp filter: the installed program, an allow list."""

from __future__ import annotations

from typing import Any

from programs import ALLOW, EPERM, NOTIFY, installed, program

from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.documented_filter import default_filter
from pytest_isolation.walls.seccomp.bpf import Bits
from pytest_isolation.walls.seccomp.reasons import Class, questions, reasons

HARMLESS = frozenset(call for call, row in reasons().items() if row.class_ is Class.HARMLESS)
DOCKER, PODMAN = (default_filter(runtime, Conditions()) for runtime in ("docker", "podman"))
ASKED = tuple(one for one in questions() if one.upper_of is None)
# what docker's default filter refuses
REFUSED = tuple(one for one in ASKED if not DOCKER.lets_through(one.call, one.label))
REFUSED_CALLS = frozenset(one.call for one in REFUSED)
WHOLE = frozenset(one.call for one in REFUSED if one.args is None or one.call == "unshare")  # with any arguments
# what both engines' filters allow with any arguments
ALLOWED = HARMLESS | {
    one.call for one in ASKED if PODMAN.lets_through(one.call, one.label) and one.call not in REFUSED_CALLS
}
SOCKETS = {"socket:0=0x10,2=0x9": EPERM, "socket:0=0x28": EPERM, "socket:0=0x26": EPERM, "socketcall": EPERM}


def rule(label: str) -> str:
    """Return the rule of a question, by its label: "bpf", "clone:0=0x10000000"."""
    one = next(one for one in questions() if one.label == label)
    if one.args is None:
        return one.call
    sign = "&" if reasons()[one.call].flags else "="
    known = [(at, value.value) for at, value in enumerate(one.args) if isinstance(value, Bits) and value.mask]
    return f"{one.call}:{','.join(f'{at}{sign}{value:#x}' for at, value in known)}"


NAMESPACES = {rule(one.label): EPERM for one in REFUSED if one.call == "clone"}
PERSONALITY = {f"personality:0={value:#x}": ALLOW for value in (0, 8)}
RULES = {
    **SOCKETS,
    **NAMESPACES,
    "clone": ALLOW,
    "socket": ALLOW,
    **PERSONALITY,
    **dict.fromkeys(sorted(ALLOWED - {"socketcall"}), ALLOW),
}
SOUND = program(RULES, default=EPERM)


def complete(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Add the filters to the outside views; the hypervisor's filter hands one call to a supervisor."""
    for part, pid in (("outside", 4242), ("peer_outside", 4343)):
        if document[part] is not None:
            document[part]["process"]["filters"] = installed(SOUND, pid=pid)
    if document["vmm"] is not None:
        document["vmm"]["process"]["filters"] = installed(program({"bpf": EPERM, "mount": NOTIFY}), SOUND, pid=5151)
    return document
