"""Compares what a runtime says that a sandbox was to be with what is in force, item by item.

In: the declaration, and the sandbox as a view of a record has it.
Out: how the sandbox is weaker than declared, in words.  Pure.

`ITEMS` has one function for each item.  A sandbox that is more confined than declared is no difference here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from provisioner.errors import UnobservedFact
from provisioner.facts.mounts import Mount
from provisioner.facts.process import Process
from provisioner.facts.status import IdRange
from provisioner.limits.document import CgroupFiles
from provisioner.limits.limit import limit_named
from provisioner.runtimes.declared import Declared
from pytest_isolation.walls.capabilities import beyond
from pytest_isolation.walls.filesystem.host_tree import is_at_or_below
from pytest_isolation.walls.filesystem.origins import topmost
from pytest_isolation.walls.users import mapped_at

ROUNDING = 1.01  # a quota in whole milliseconds, memory in whole pages
IDS = ("real", "effective", "saved", "file system")


@dataclass(frozen=True)
class InForce:
    """
    A sandbox as far as a declaration speaks of it.

    Attributes:
        process: its first process, with the walls of its weakest task.
        seen_outside: whether the host sees that process, so that its ids are the host's.
        limits: its cgroups; None if they were not observed.
        shared: returns whether a kind of its namespaces is the host's.
    """

    process: Process
    seen_outside: bool
    limits: CgroupFiles | None
    shared: Callable[[str], bool]


def weaker(declared: Declared, sandbox: InForce) -> list[str]:
    """
    Return how the sandbox is weaker than declared, in words.

    Raises:
        UnobservedFact: no difference was found, and an item could not be compared.
    """
    found: list[str] = []
    blind: UnobservedFact | None = None
    for item in ITEMS:
        try:
            found += item(declared, sandbox)
        except UnobservedFact as error:
            blind = blind or error
    if blind is not None and not found:
        raise blind
    return found


def _capabilities(declared: Declared, sandbox: InForce) -> Iterator[str]:
    if declared.capabilities is None:
        return
    held = sandbox.process.capabilities
    mask = held.inheritable | held.permitted | held.effective | held.bounding | held.ambient
    if more := beyond(mask, declared.capabilities):
        yield f"it holds {', '.join(more)}, not declared"


def _no_new_privs(declared: Declared, sandbox: InForce) -> Iterator[str]:
    if declared.no_new_privs and not sandbox.process.no_new_privs:
        yield "no_new_privs is declared and not set"


def _seccomp(declared: Declared, sandbox: InForce) -> Iterator[str]:
    if declared.seccomp and sandbox.process.seccomp.mode == 0:
        yield "a seccomp profile is declared and no filter is installed"


def _lsm(declared: Declared, sandbox: InForce) -> Iterator[str]:
    if declared.lsm and sandbox.process.lsm.partition(" ")[0] != declared.lsm:
        yield f"the profile {declared.lsm} is declared, its label is '{sandbox.process.lsm}'"


def _masked(declared: Declared, sandbox: InForce) -> Iterator[str]:
    for path in declared.masked:
        if topmost(sandbox.process.mounts, path) is None and declared.exists[path]:
            yield f"{path} is declared masked and is not"


def _readonly(declared: Declared, sandbox: InForce) -> Iterator[str]:
    for path in declared.readonly:
        mount = _holder(sandbox.process.mounts, path)
        if mount is not None and not _is_readonly(mount) and declared.exists[path]:
            yield f"{path} is declared read-only and is writable"


def _root(declared: Declared, sandbox: InForce) -> Iterator[str]:
    mount = topmost(sandbox.process.mounts, "/") if declared.readonly_root else None
    if mount is not None and not _is_readonly(mount):
        yield "its root is declared read-only and is writable"


def _mounts(declared: Declared, sandbox: InForce) -> Iterator[str]:
    for one in declared.mounts:
        mount = topmost(sandbox.process.mounts, one.target)
        if mount is None:
            continue
        lacking = [flag for flag in one.flags if flag not in (*mount.options, *mount.super_options)]
        if lacking:
            yield f"{one.target} is declared {', '.join(lacking)} and is not"


def _rlimits(declared: Declared, sandbox: InForce) -> Iterator[str]:
    for name, limit in declared.rlimits.items():
        held = sandbox.process.rlimits[name]
        for kind, asked, got in (("soft", limit.soft, held.soft), ("hard", limit.hard, held.hard)):
            if asked is not None and (got is None or got > asked):
                yield f"RLIMIT_{name.upper()} is {'unlimited' if got is None else got}, {kind} {asked} is declared"
                break


def _sysctls(declared: Declared, _: InForce) -> Iterator[str]:
    for name, value in declared.sysctls.items():
        shown = declared.shown[name]
        if shown != " ".join(value.split()):
            yield f"{name} is {shown}, {value} is declared"


def _namespaces(declared: Declared, sandbox: InForce) -> Iterator[str]:
    for kind in declared.namespaces:
        if sandbox.shared(kind):
            yield f"its {kind} namespace is the host's, one of its own is declared"


def _user(declared: Declared, sandbox: InForce) -> Iterator[str]:
    process, user = sandbox.process, declared.user
    for name, asked in (("uid", user.uid), ("gid", user.gid)):
        if asked is None:
            continue
        held = _inside(sandbox, getattr(process, name), getattr(process, f"{name}_map"))
        for kind, number in zip(IDS, held, strict=True):
            if number != asked:
                yield f"its {kind} {name} is {number}, {asked} is declared"
                break
    if user.groups is not None:
        held = _inside(sandbox, process.groups, process.gid_map)
        if more := sorted({str(one) for one in held if one not in (*user.groups, user.gid)}):
            yield f"it is in the groups {', '.join(more)}, not declared"


def _limits(declared: Declared, sandbox: InForce) -> Iterator[str]:
    for name, asked in declared.limits.items():
        if sandbox.limits is None:
            raise UnobservedFact("outside.limits", "", "its cgroups were not observed from outside")
        limit = limit_named(name)
        held = limit.declared(sandbox.limits)
        if held is None or held > asked * ROUNDING:
            shown = "none is in force" if held is None else f"{limit.show_amount(held)} is in force"
            yield f"a {name} limit of {limit.show_amount(asked)} is declared, {shown}"


ITEMS: tuple[Callable[[Declared, InForce], Iterator[str]], ...] = (
    *(_capabilities, _no_new_privs, _seccomp, _lsm, _masked, _readonly, _root, _mounts),
    *(_rlimits, _sysctls, _namespaces, _user, _limits),
)


def _holder(mounts: Sequence[Mount], path: str) -> Mount | None:
    """Return the mount that a path is on."""
    over = [mount for mount in mounts if is_at_or_below(path, mount.target)]
    return max(reversed(over), key=lambda mount: len(mount.target), default=None)


def _is_readonly(mount: Mount) -> bool:
    return "ro" in mount.options or "ro" in mount.super_options


def _inside(sandbox: InForce, ids: Sequence[int], ranges: Sequence[IdRange]) -> list[int | None]:
    """Return ids as the sandbox counts them."""

    return [mapped_at(ranges, one) for one in ids] if sandbox.seen_outside else list(ids)
