"""Synthetic weaknesses and look-alikes: leaving the own cgroup, and raising its limits."""

from __future__ import annotations

from fact_parts import CGROUP2, Dict, mount, path_of
from weakness import Edit, Lookalike, mounted, path, put, weak

WRITABLE = path_of("file", CGROUP2, write="ok")
REFUSED = path_of("file", CGROUP2, write="EACCES")
TRIED = ("cgroup.procs:/cg", "/cg/cgroup.procs", "/cg/box-4242/cgroup.procs")


def shown(root: str, *opened: str, **more: object) -> Edit:
    """Return the edit that mounts a part of the hierarchy at /cg, with files that open for writing."""

    def edit(document: Dict) -> None:
        mounted(mount("/cg", "cgroup2", 26, root=root, **more))(document)
        paths = document["inside"]["system"]["paths"]
        paths |= {name: dict(REFUSED) for name in TRIED}
        paths |= {name: dict(WRITABLE) for name in opened}

    return edit


WEAKNESSES = (
    weak(
        "lim.cgroup_leave",
        "--cgroupns=host -v /sys/fs/cgroup:/cg:rw",
        shown("/", "cgroup.procs:/cg", "/cg/cgroup.procs"),
        "it may leave its cgroup: /cg/cgroup.procs opens for writing",
        "path.cgroup_ro",
        "mnt.host_paths",
    ),
    weak(
        "lim.cgroup_leave",
        "another sandbox's cgroup bound",
        shown("/box-9", "cgroup.procs:/cg"),
        "it may leave its cgroup: /cg/cgroup.procs",
        "path.cgroup_ro",
        "mnt.host_paths",
    ),
    weak(
        "lim.cgroup_leave",
        "a delegation too high",
        lambda d: (
            put("outside", "process", "cgroups", 0, "path", to="/user/a/b")(d),
            shown("/", "/cg/user/cgroup.procs")(d),
            d["inside"]["system"]["paths"].update({"/cg/user/a/b/cgroup.procs": dict(REFUSED)}),
        )[0],
        "it may leave its cgroup: /cg/user/cgroup.procs",
        "mnt.host_paths",
    ),
    weak(
        "lim.cgroup_leave",
        "its own memory.max",
        path("/sys/fs/cgroup/memory.max", "write", "ok"),
        "it may raise its own limits: /sys/fs/cgroup/memory.max opens for writing",
    ),
)


def delegated(document: Dict) -> None:
    """Its own cgroup is the root of its namespace, writable, and the kernel refuses to write its limits."""
    path("/sys/fs/cgroup/memory.max", "write", "ok")(document)
    for view in ("inside", "outside"):
        for one in document[view]["process"]["mounts"]:
            if one["fstype"] == "cgroup2":
                one["super_options"] = ["rw", "nsdelegate"]


LOOKALIKES = (
    Lookalike("limits that nsdelegate guards", "container", delegated),
    Lookalike(
        "its own cgroup not tried",
        "container",
        lambda d: d["inside"]["system"]["paths"].pop("/sys/fs/cgroup/cgroup.procs"),
        (("lim.cgroup_leave", "unknown"),),
    ),
)
