"""What each check must say of a configuration, derived only from the runtime-spec and man pages.

In: a World.  Out: the verdicts that the configuration decides, by check id.
A check without a rule must be as in the runtime's stock configuration.
`EXPLAINED` holds the known deviations of runtimes, each with its reason.

rules.py        what rules are made of
namespaces.py   namespaces, and what lies beyond them
privileges.py   users, groups, capabilities, no_new_privs
filters.py      seccomp, and interfaces of the kernel that it refuses
paths.py        the kernel's own files
mounts.py       mounts, the root, device nodes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from world import World

from predict import filters, mounts, namespaces, paths, privileges
from predict.mounts import binds_files, uncovered_binds
from predict.rules import OPEN, Rule

RULES: dict[str, Rule] = {
    **namespaces.RULES,
    **privileges.RULES,
    **filters.RULES,
    **paths.RULES,
    **mounts.RULES,
}

# (runtime, check) to when it disagrees, and what that is.
EXPLAINED: dict[tuple[str, str], tuple[Callable[[World], bool], str, str]] = {
    ("crun", "cap.exec_parity"): (
        lambda world: world.uid != 0 and bool(world.asked("permitted") - world.permitted),
        OPEN,
        "crun 1.8.1: exec as another user than root keeps the permitted set, which the first process lost at execve",
    ),
    ("podman", "proc.exec_parity"): (
        lambda world: world.uid != 0 and world.gid == 0 and not world.config["root"]["readonly"],
        OPEN,
        "podman-run(1) --passwd: a --user without a group gets one in a writable /etc/group, and exec looks there",
    ),
    ("crun", "nnp.setuid"): (
        lambda world: world.has("user") and not world.no_new_privs and binds_files(world),
        OPEN,
        "crun 1.8.1: in a user namespace a bind that is not read-only lacks its nosuid and noexec",
    ),
    ("crun", "run.as_declared"): (
        lambda world: world.has("user") and bool(uncovered_binds(world)),
        OPEN,
        "crun 1.8.1: in a user namespace a bind that is not read-only lacks its nosuid, nodev and noexec",
    ),
    ("crun", "proc.exec_parity"): (
        lambda world: world.uid != 0 or world.gid != 0,
        OPEN,
        "crun 1.8.1, src/exec.c: exec without --user runs as root, whoever the first process is",
    ),
}


def predict(world: World, stock: Mapping[str, str], rules: Mapping[str, Rule] = RULES) -> dict[str, str]:
    """
    Return the verdict of every check.

    Args:
        world: the configuration.
        stock: the verdicts of the runtime's stock configuration.
        rules: what the configuration decides, by check.
    """
    found = dict(stock)
    for check, rule in rules.items():
        verdict = rule(world)
        if verdict is not None:
            found[check] = verdict
    for (runtime, check), (when, verdict, _) in EXPLAINED.items():
        if runtime == world.runtime and when(world):
            found[check] = verdict
    return found
