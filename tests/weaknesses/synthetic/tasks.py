"""Synthetic weaknesses and look-alikes: tasks beside the subject."""

from __future__ import annotations

from typing import Any

from fact_parts import INITIAL, Dict
from weakness import Edit, Lookalike, weak

from pytest_isolation.walls.capabilities import mask_of

MORE = "proc.parity"
SHOWN = ("namespaces", "uid", "gid", "groups", "capabilities", "no_new_privs", "seccomp", "lsm", "cgroups", "leads")


def beside(**changed: Any) -> Edit:
    """Return the edit that adds a task which is like the subject but for what is changed; of maps, single keys."""

    def edit(document: Dict) -> None:
        process = document["outside"]["process"]
        task = {key: process[key] for key in SHOWN} | {"pid": 4300, "process": 4300, "nspid": [4300, 9], "name": "sh"}
        for key, value in changed.items():
            task[key] = {**task[key], **value} if isinstance(value, dict) else value
        document["outside"]["tasks"].append(task)

    return edit


WEAKNESSES = (
    weak("ns.pid", "a task of the host's", beside(namespaces={"pid": INITIAL["pid"]}), "host's pid", "ns.pid.procfs"),
    weak("ns.net", "a task of the host's", beside(namespaces={"net": INITIAL["net"]}), "host's network namespace"),
    weak(
        "ns.user",
        "a task of the host's",
        beside(namespaces={"user": INITIAL["user"]}),
        "host's user namespace",
        "user.range_disjoint",
    ),
    weak(
        "ns.exec_parity",
        "a task in another cgroup",
        beside(cgroups=[{"hierarchy": 0, "controllers": [], "path": "/elsewhere"}]),
        "process 4300 (sh, pid 9 inside) lives in another cgroup",
    ),
    weak(
        "cap.bounding",
        "exec --cap that stays",
        beside(capabilities={"bounding": mask_of(("SYS_PTRACE",))}),
        "also holds SYS_PTRACE",
        "cap.restricted",
        MORE,
    ),
    weak(
        "cap.sys_admin",
        "exec --privileged that stays",
        beside(capabilities={"effective": mask_of(("SYS_ADMIN",))}),
        "CAP_SYS_ADMIN",
        MORE,
        record="docker",
    ),
    weak("nnp.set", "an exec without it", beside(no_new_privs=0), "no_new_privs is off", "nnp.setuid", MORE),
    weak(
        "seccomp.mode",
        "an exec without the filter",
        beside(seccomp={"mode": 0, "filters": 0}),
        "mode 0",
        "seccomp.abi",
        MORE,
    ),
    weak(
        "lsm.confined",
        "an exec without the label",
        beside(lsm="unconfined"),
        "no mandatory-access label",
        *("lsm.distinct", "lsm.enforcing", "lsm.writes", MORE),
    ),
    weak(
        "user.root_mapped",
        "a task of the host's root",
        beside(uid=[0] * 4),
        "process 4300 (sh, pid 9 inside) runs as",
        MORE,
    ),
    weak(
        "user.nonroot",
        "exec --user 0",
        beside(uid=[100000] * 4),
        "process 4300 (sh, pid 9 inside) runs as uid 0 inside",
        MORE,
    ),
)

LOOKALIKES = (
    Lookalike(
        "a user namespace that a task made, with all capabilities in it",
        "docker",
        beside(
            namespaces={"user": INITIAL["user"] + 7000},
            capabilities=dict.fromkeys(("permitted", "effective", "bounding"), (1 << 41) - 1),
        ),
    ),
    Lookalike("a task in namespaces that it made", "container", beside(namespaces={"net": 77, "mnt": 78, "pid": 79})),
    Lookalike("a task of another user", "docker", beside(uid=[1001] * 4, gid=[1001] * 4, groups=[1002])),
    Lookalike("a task with two filters", "container", beside(seccomp={"mode": 2, "filters": 2})),
    Lookalike(
        "a cgroup below its own",
        "container",
        beside(cgroups=[{"hierarchy": 0, "controllers": [], "path": "/box-4242/service"}]),
    ),
)
