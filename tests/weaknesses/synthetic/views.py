"""Synthetic weaknesses and look-alikes: the inside and the outside view of one subject."""

from __future__ import annotations

from weakness import Edit, Lookalike, proc, put, weak

VIEW = "view.agree"


def inside(*where: str | int, to: object) -> Edit:
    """Return the edit of what the subject says of itself."""
    return put("inside", "process", *where, to=to)


def outside(*where: str | int, to: object) -> Edit:
    """Return the edit of what the host sees of it."""
    return put("outside", "process", *where, to=to)


def both(*edits: Edit) -> Edit:
    """Return the edit that makes all of these."""

    def edit(document: dict[str, object]) -> None:
        for one in edits:
            one(document)

    return edit


CGROUP = [{"hierarchy": 0, "controllers": [], "path": "/elsewhere"}]
BOX = [{"hierarchy": 0, "controllers": [], "path": "/box-4242"}]

WEAKNESSES = (
    weak(VIEW, "it invents a namespace", inside("namespaces", "pid", to=1), "pid namespace 1 inside, "),
    weak(
        VIEW,
        "it says that it has no capability",
        outside("capabilities", "inheritable", to=1),
        "0x0 inside, 0x1",
        "cap.ambient",
    ),
    weak(VIEW, "it says that no_new_privs is off", inside("no_new_privs", to=0), "no_new_privs 0 inside, 1 outside"),
    weak(VIEW, "it says that it has no filter", inside("seccomp", "mode", to=0), "seccomp mode 0 inside, 2 outside"),
    weak(
        VIEW,
        "it says that it has all capabilities",
        inside("capabilities", "bounding", to=(1 << 41) - 1),
        "bounding capabilities 0x1ffffffffff inside",
    ),
    weak(VIEW, "another label", inside("lsm", to="unconfined"), "LSM label 'unconfined' inside"),
    weak(VIEW, "an empty label", inside("lsm", to=""), "LSM label '' inside"),
    weak(VIEW, "another user", inside("uid", to=[1001] * 4), "uid 1001 1001 1001 1001 inside, 101000"),
    weak(VIEW, "one of its four users", inside("uid", 2, to=5), "uid 1000 1000 5 1000 inside"),
    weak(VIEW, "another group", inside("gid", to=[1001] * 4), "gid 1001"),
    weak(VIEW, "a longer map", inside("uid_map", 0, "count", to=4294967295), "another uid_map inside"),
    weak(VIEW, "no map of groups", inside("gid_map", to=[]), "another gid_map inside"),
    weak(VIEW, "another cgroup", proc("inside", "cgroups", CGROUP), "cgroup /elsewhere inside"),
    weak(VIEW, "a hierarchy less", proc("inside", "cgroups", []), "other cgroup hierarchies"),
    weak(
        "vm.declared",
        "a sentry that is none",
        put("target", "boundary", to="sentry"),
        "it is declared to run behind a sentry, and runs on the host's kernel",
    ),
)

LOOKALIKES = (
    # nothing compares what the host sees otherwise, and no check reads it from inside
    *(
        Lookalike(f"a wrong {name} of its own view", "docker", inside(name, to=value), one_view=True)
        for name, value in (("umask", 0o777), ("oom_score_adj", 1000), ("groups", [5]))
    ),
    Lookalike(
        "the whole path of its cgroup",
        "docker",
        both(proc("inside", "cgroups", BOX), proc("exec", "cgroups", BOX)),
        one_view=True,
    ),
    Lookalike(
        "a label in an AppArmor namespace",
        "container",
        both(
            outside("lsm", to="lxd-web//&:lxd-web:box (enforce)"),
            inside("lsm", to="box (enforce)"),
            proc("exec", "lsm", "box (enforce)"),
        ),
        one_view=True,
    ),
    Lookalike("a map read from two namespaces", "container", inside("uid_map", 0, "outside", to=0), one_view=True),
)
