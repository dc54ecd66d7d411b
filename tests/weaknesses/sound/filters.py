"""Facts of a sound sandbox's seccomp filter: the installed program."""

from __future__ import annotations

from typing import Any

from programs import EPERM, NOTIFY, installed, program

from pytest_isolation.walls.seccomp.program import DANGEROUS

SOCKETS = {"socket:0=40": EPERM, "socket:0=38": EPERM, "socketcall": EPERM}
RULES = {**dict.fromkeys((call for call in DANGEROUS if call != "personality"), EPERM), **SOCKETS}
PERSONALITY = {f"personality:0={value:#x}": 0x7FFF0000 for value in (0, 8)} | {"personality": EPERM}
SOUND = program(RULES | PERSONALITY)


def complete(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Add the filters to the outside views; the hypervisor's filter hands one call to a supervisor."""
    for part, pid in (("outside", 4242), ("peer_outside", 4343)):
        if document[part] is not None:
            document[part]["process"]["filters"] = installed(SOUND, pid=pid)
    if document["vmm"] is not None:
        document["vmm"]["process"]["filters"] = installed(program({"bpf": EPERM, "mount": NOTIFY}), SOUND, pid=5151)
    return document
