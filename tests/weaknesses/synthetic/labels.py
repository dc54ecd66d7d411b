"""Synthetic weaknesses and look-alikes: mandatory-access labels and Landlock."""

from __future__ import annotations

from fact_parts import Dict
from sound.kernel import file
from weakness import Edit, Lookalike, proc, put, row, weak

SELINUX = "system_u:system_r:container_t:s0:c1,c2"


def selinux(enforce: int, label: str = SELINUX, peers: str = "system_u:system_r:container_t:s0:c3,c4") -> Edit:
    """Return the edit that puts both on a host with SELinux."""

    def edit(document: Dict) -> None:
        for view, given in (("outside", label), ("inside", label), ("peer_outside", peers), ("peer_inside", peers)):
            document[view]["process"]["lsm"] = given
        document["host"]["process"]["lsm"] = "unconfined_u:unconfined_r:unconfined_t:s0"
        document["host"]["system"]["kernel_state"]["selinux_enforce"] = enforce

    return edit


def refused_landlock(answer: str) -> Edit:
    """Return the edit of what a filter answers."""
    return row("landlock.version", answer)


WEAKNESSES = (
    weak(
        "lsm.enforcing",
        "a profile in complain mode",
        proc("outside", "lsm", "crun-default (complain)"),
        "'crun-default (complain)' is not enforced",
        *("lsm.confined", "lsm.distinct", "lsm.writes"),
    ),
    weak("lsm.enforcing", "SELinux is permissive", selinux(0), "the host's SELinux is permissive"),
    weak(
        "lsm.distinct",
        "one profile for all",
        proc("peer_outside", "lsm", "crun-default (enforce)"),
        "its peer's label is 'crun-default' too",
    ),
    weak("lsm.distinct", "label=level:s0:c1,c2 twice", selinux(1, peers=SELINUX), f"its peer's label is '{SELINUX}'"),
    weak(
        "lsm.writes",
        "a profile that lets /proc be written",
        put("inside", "system", "paths", "/proc/mtrr", "write", to="ok"),
        "its label lets /proc/mtrr be opened for writing",
        record="docker",
    ),
    weak(
        "lsm.writes",
        "refused by the file itself, behind the label",
        put("inside", "system", "paths", "/proc/mtrr", "write", to="EPERM"),
        "its label lets /proc/mtrr",
        record="docker",
    ),
    weak(
        "lsm.writes",
        "apparmor=unconfined",
        proc("outside", "lsm", "unconfined"),
        "no mandatory-access label confines it",
        *("lsm.confined", "lsm.enforcing"),
        record="docker",
    ),
    weak(
        "lsm.yama",
        "ptrace_scope=0",
        put("host", "system", "kernel_state", "ptrace_scope", to=0),
        "kernel.yama.ptrace_scope=0",
    ),
    *(
        weak("landlock.available", f"a filter that answers {answer}", refused_landlock(answer), f"answers {answer}")
        for answer in ("EPERM", "ENOSYS", "SIGSYS")
    ),
    weak(
        "landlock.available",
        "a guest whose init refuses it",
        refused_landlock("EPERM"),
        "answers EPERM",
        record="vm",
    ),
)

LOOKALIKES = (
    Lookalike("SELinux enforcing", "container", selinux(1)),
    Lookalike("a profile that kills", "container", proc("outside", "lsm", "crun-default (kill)")),
    Lookalike("ptrace_scope=3", "container", put("host", "system", "kernel_state", "ptrace_scope", to=3)),
    Lookalike(
        "a kernel without Yama",
        "container",
        put("host", "system", "kernel_state", "ptrace_scope", to=None),
        (("lsm.yama", "not_applicable"),),
    ),
    Lookalike(
        "mounts before the label",
        "docker",
        put("inside", "system", "paths", "/proc/mtrr", to=file(write="EROFS", read_only=True)),
        (("lsm.writes", "not_applicable"),),
    ),
    Lookalike(
        "a host without Landlock",
        "container",
        lambda d: (
            row("landlock.version", "EOPNOTSUPP")(d),
            put("host", "system", "tries", "landlock.version", "result", to="EOPNOTSUPP")(d),
        )[0],
        (("landlock.available", "not_applicable"),),
    ),
    Lookalike(
        "a guest's kernel without Landlock",
        "vm",
        row("landlock.version", "ENOSYS"),
        (("landlock.available", "not_applicable"),),
    ),
    Lookalike("an older Landlock", "container", put("inside", "system", "tries", "landlock.version", "value", to=1)),
)
