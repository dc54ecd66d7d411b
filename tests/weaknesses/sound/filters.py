"""Facts of a sound sandbox's seccomp filter: the installed program, an allow list."""

from __future__ import annotations

from typing import Any

from programs import ALLOW, EPERM, NOTIFY, installed, program

from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.documented_filter import let_through_by
from pytest_isolation.walls.seccomp.reasons import Class, questions, reasons

HARMLESS = frozenset(call for call, row in reasons().items() if row.class_ is Class.HARMLESS)
DOCKER, PODMAN = (let_through_by(runtime, Conditions()) for runtime in ("docker", "podman"))
ALLOWED = HARMLESS | (DOCKER & PODMAN)
REFUSED = tuple(one for one in questions() if one.call not in HARMLESS | DOCKER)  # what docker's default filter refuses
SOCKETS = {"socket:0=40": EPERM, "socket:0=38": EPERM, "socketcall": EPERM}
NAMESPACES = {f"{one.call}:0={one.args[0]:#x}": EPERM for one in REFUSED if one.args and one.call == "clone"}
PERSONALITY = {f"personality:0={value:#x}": ALLOW for value in (0, 8)}
RULES = {
    **SOCKETS,
    **NAMESPACES,
    "clone": ALLOW,
    **PERSONALITY,
    **dict.fromkeys(sorted(ALLOWED - {"socketcall"}), ALLOW),
}
SOUND = program(RULES, default=EPERM)


def rule(label: str) -> str:
    """Return the rule of a question, by its label: "bpf", "clone:0=0x10000000"."""
    one = next(one for one in questions() if one.label == label)
    return one.call if one.args is None else f"{one.call}:0={one.args[0]:#x}"


def complete(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Add the filters to the outside views; the hypervisor's filter hands one call to a supervisor."""
    for part, pid in (("outside", 4242), ("peer_outside", 4343)):
        if document[part] is not None:
            document[part]["process"]["filters"] = installed(SOUND, pid=pid)
    if document["vmm"] is not None:
        document["vmm"]["process"]["filters"] = installed(program({"bpf": EPERM, "mount": NOTIFY}), SOUND, pid=5151)
    return document
