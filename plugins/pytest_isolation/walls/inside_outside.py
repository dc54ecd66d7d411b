"""Compares what the subject says of itself with what the host sees of it.

In: two `Process`es, the inside and the outside view of one subject.  Out: what differs, in words.  Called by the
suite's check `view.agree`.  Pure.  A fact that one of the two lacks raises, as any unobserved fact does.
"""

from __future__ import annotations

from provisioner.facts.namespaces import NAMESPACES
from provisioner.facts.process import Cgroup, Process
from provisioner.facts.status import IdRange

SETS = ("inheritable", "permitted", "effective", "bounding", "ambient")
OVERFLOW_ID = 65534  # what an id that is mapped nowhere looks like: kernel.overflowuid


def differences(inside: Process, outside: Process) -> list[str]:
    """Return the parts of the wall that both views show and that are not the same, each with both values."""
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
    if not _same_label(inside.lsm, outside.lsm):
        found.append(f"LSM label '{inside.lsm}' inside, '{outside.lsm}' outside")
    found += _ids("uid", inside.uid, outside.uid, inside.uid_map, outside.uid_map)
    found += _ids("gid", inside.gid, outside.gid, inside.gid_map, outside.gid_map)
    return found + _cgroups(inside.cgroups, outside.cgroups)


def _same_label(inside: str, outside: str) -> bool:
    """Within an AppArmor namespace the label is shown without the parts that stand above (apparmor_parser(8))."""
    return inside == outside or (bool(inside) and "//&" in outside and inside in outside)


def _ids(name: str, inside: list[int], outside: list[int], own: list[IdRange], seen: list[IdRange]) -> list[str]:
    """
    Compare ids through the map that the host reads.

    The map's third column is told relative to who reads it (user_namespaces(7)): only the first and the length are the
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


def _cgroups(inside: list[Cgroup], outside: list[Cgroup]) -> list[str]:
    """
    Compare the paths, of which the inside one may begin at the root of a cgroup namespace (cgroup_namespaces(7)).

    Above its root a path begins with "/..": such a one cannot be compared.
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
