"""Compares the inside view of the subject with the outside view, and corrects it by the outside view.

In: the inside and the outside `Process` of one subject.  Out: the differences, in words; one corrected view.  Pure.
An unobserved fact in either raises UnobservedFact when they are compared.
"""

from __future__ import annotations

from provisioner.facts.namespaces import NAMESPACES
from provisioner.facts.process import Cgroup, Process
from provisioner.facts.status import IdRange
from provisioner.observed import Unobserved

SETS = ("inheritable", "permitted", "effective", "bounding", "ambient")
# facts that are the same whoever reads them, and from wherever
SAME_FOR_ALL = ("capabilities", "no_new_privs", "seccomp", "umask", "oom_score_adj", "rlimits")
OVERFLOW_ID = 65534  # an id that is not mapped shows as kernel.overflowuid


def differences(inside: Process, outside: Process) -> list[str]:
    """Return the walls that both views show and that differ, each with both values."""
    found = [
        f"{kind} namespace {inner} inside, {outer} outside"
        for kind in NAMESPACES
        if (inner := getattr(inside.namespaces, kind)) != (outer := getattr(outside.namespaces, kind))
    ]
    for name in SETS:
        inner, outer = getattr(inside.capabilities, name), getattr(outside.capabilities, name)
        if inner != outer:
            found.append(f"{name} capabilities {inner:#x} inside, {outer:#x} outside")
    if inside.no_new_privs != outside.no_new_privs:
        found.append(f"no_new_privs {inside.no_new_privs} inside, {outside.no_new_privs} outside")
    if inside.seccomp != outside.seccomp:
        found.append(f"seccomp mode {inside.seccomp.mode} inside, {outside.seccomp.mode} outside")
    if not same_label(inside.lsm, outside.lsm):
        found.append(f"LSM label '{inside.lsm}' inside, '{outside.lsm}' outside")
    found += _ids("uid", inside.uid, outside.uid, inside.uid_map, outside.uid_map)
    found += _ids("gid", inside.gid, outside.gid, inside.gid_map, outside.gid_map)
    return found + cgroup_differences(inside.cgroups, outside.cgroups)


def corrected(inside: Process, outside: Process) -> Process:
    """
    Return the inside view of the subject, with what the host sees otherwise as the host sees it.

    So a process beside the subject is compared with what the subject is, not with what it says of itself.  Ids are in
    the terms of the subject's user namespace.  The cgroups stay as they are: the host knows no relative path of them.

    Args:
        inside, outside: both views.  What the host did not observe stays as it is inside.
    """
    seen: dict[str, object] = {name: outside.raw(name) for name in SAME_FOR_ALL}
    kinds = {kind: outside.namespaces.raw(kind) for kind in NAMESPACES}
    seen["namespaces"] = inside.namespaces.model_copy(update=_observed(kinds))
    for name, map_ in (("uid", "uid_map"), ("gid", "gid_map"), ("groups", "gid_map")):
        numbers, ranges = outside.raw(name), outside.raw(map_)
        if isinstance(numbers, list) and isinstance(ranges, list):
            seen[name] = [_inside_of(number, ranges) for number in numbers]
    label, own = outside.raw("lsm"), inside.raw("lsm")
    if not (isinstance(label, str) and isinstance(own, str) and same_label(own, label)):
        seen["lsm"] = label
    return inside.model_copy(update=_observed(seen))


def _observed(facts: dict[str, object]) -> dict[str, object]:
    return {name: fact for name, fact in facts.items() if not isinstance(fact, Unobserved)}


def same_label(inside: str, outside: str) -> bool:
    """Whether the labels agree: in an AppArmor namespace a process sees only the part below it (apparmor_parser(8))."""
    return inside == outside or (bool(inside) and "//&" in outside and inside in outside)


def _ids(name: str, inside: list[int], outside: list[int], own: list[IdRange], seen: list[IdRange]) -> list[str]:
    """
    Compare ids through the map that the host reads.

    The third column of a map is relative to the reader (user_namespaces(7)): only the first id and the length are the
    same for both.
    """
    if [(line.inside, line.count) for line in own] != [(line.inside, line.count) for line in seen]:
        return [f"another {name}_map inside than outside"]
    expected = [_inside_of(number, seen) for number in outside]
    return [] if inside == expected else [f"{name} {_list(inside)} inside, {_list(outside)} outside"]


def _inside_of(number: int, ranges: list[IdRange]) -> int:
    for line in ranges:
        if line.outside <= number < line.outside + line.count:
            return line.inside + number - line.outside
    return OVERFLOW_ID


def _list(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))


def cgroup_differences(inside: list[Cgroup], outside: list[Cgroup]) -> list[str]:
    """
    Compare the cgroup paths; the inside one may begin at the root of a cgroup namespace (cgroup_namespaces(7)).

    A path outside that root begins with "/.." and cannot be compared.
    """
    outer = {_key(line): line.path for line in outside}
    if {_key(line) for line in inside} != set(outer):
        return ["other cgroup hierarchies inside than outside"]
    found = []
    for line in inside:
        path = outer[_key(line)]
        if not (line.path in ("/", path) or line.path.startswith("/..") or path.endswith(line.path)):
            found.append(f"cgroup {line.path} inside, {path} outside")
    return found[:1]


def _key(line: Cgroup) -> tuple[int, tuple[str, ...]]:
    return line.hierarchy, tuple(sorted(line.controllers))
