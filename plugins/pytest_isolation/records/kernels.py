"""Facts of two kernels are never compared: removes from a record what was observed of another kernel.

In: a `Record` as it was observed.
Out: the same record if its sandbox runs on the kernel of the host that was observed, or is declared to have a kernel of
its own.  Else its `host` is what the sandbox tells of its kernel's initial namespaces, all else that was looked for
outside is unobserved, and `this_machine` has the facts of the host that was observed.
"""

from __future__ import annotations

from typing import Any

from provisioner.facts.document import Facts
from provisioner.facts.namespaces import INITIAL
from provisioner.facts.process import Process
from provisioner.facts.system import System
from provisioner.observed import Unobserved, unobserved
from pytest_isolation.policy.conditions import BEHIND, ELSEWHERE, HOST_CONDITIONS
from pytest_isolation.records.initial import initial_host_facts
from pytest_isolation.records.record import Record, TargetInfo

BOOT_ID = "/proc/sys/kernel/random/boot_id"  # random(4)
OTHER_KERNEL = "it does not run on this machine's kernel"
UNTOLD = "no view shows on which kernel it runs"
ASIDE = ("outside", "peer_outside", "served_sockets", "residue", "survivors", "shared_file")
# what the probe inside was told to try, on processes and objects of another machine
TRIED = ("canary", "peers", "canaries", "objects")


def settle(record: Record) -> Record:
    """Return the record without facts of another kernel than its sandbox's; a record that is settled stays as it is."""
    why = why_elsewhere(record)
    if not why:
        return record
    host, inside = record.raw("host"), record.raw("inside")
    return record.model_copy(
        update={
            **dict.fromkeys(ASIDE, unobserved(why)),
            "host": initial_host_facts(inside, why) if isinstance(inside, Facts) else unobserved(why),
            "this_machine": host,
            "inside": _untried(inside, why),
            "peer_inside": _untried(record.raw("peer_inside"), why),
            "exec_": _untried(record.raw("exec_"), why),
            "target": _elsewhere(record.target, inside, why),
        }
    )


def why_elsewhere(record: Record) -> str:
    """
    Say why the facts of the host may not be compared with those of the sandbox; "" if they may.

    They may if the host sees the subject, which a random nonce names, or if both read one boot id.  A VM and a sentry
    have a kernel of their own by design, and `self` has no host that was asked.
    """
    host, inside, outside = (record.raw(name) for name in ("host", "inside", "outside"))
    engine = may_be_elsewhere(record.target)
    if record.target.boundary != "process" or isinstance(outside, Facts) or not isinstance(host, Facts):
        return ""
    here = host.raw("boot_id")
    there = inside.raw("boot_id") if isinstance(inside, Facts) else None
    if not isinstance(here, str) or not isinstance(there, str):
        return UNTOLD
    if here == there:
        return BEHIND if engine and _is_in_container(host) else ""
    return ELSEWHERE if engine else OTHER_KERNEL


def may_be_elsewhere(target: TargetInfo) -> bool:
    """Whether an engine that may be on another machine makes its sandboxes; records of older versions do not tell."""
    return target.raw("engine") is not None


def _is_in_container(host: Facts) -> bool:
    """Whether the host's own probe is in a pid namespace in which it does not see all processes of its kernel."""
    inode = host.process.namespaces.raw("pid")
    return isinstance(inode, int) and inode != INITIAL["pid"]


def _untried(inside: Any, why: str) -> Any:
    """Return an inside view in which nothing was tried on processes and objects of the other machine."""
    if not isinstance(inside, Facts) or inside.system is None:
        return inside
    nothing = {name: unobserved(why) for name in TRIED}
    process, system = _unseen(inside.process, why), inside.system.model_copy(update=nothing)
    return inside.model_copy(update={"process": process, "system": system})


def _unseen(process: Process, why: str) -> Process:
    """Return the process with a further reason at what it cannot see of itself, and the host would have seen."""
    facts = ((name, process.raw(name)) for name in type(process).model_fields)
    unseen = {name: unobserved(f"{fact.why}; {why}") for name, fact in facts if isinstance(fact, Unobserved)}
    return process.model_copy(update=unseen)


def _elsewhere(target: TargetInfo, inside: Any, why: str) -> TargetInfo:
    """Return the target with the conditions that are known of the other machine, and a name for that."""
    system = inside.system if isinstance(inside, Facts) else None
    known = {"elsewhere": why, "kernel": system.kernel.release if isinstance(system, System) else None}
    conditions = target.conditions.model_copy(update={**dict.fromkeys(HOST_CONDITIONS), **known})
    return target.model_copy(update={"host": f"{target.id}'s daemon", "conditions": conditions})
