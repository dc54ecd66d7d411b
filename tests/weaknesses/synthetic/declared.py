"""Synthetic weaknesses and look-alikes: what a runtime says that a sandbox was to be."""

from __future__ import annotations

from typing import Any

from fact_limits import MIB
from weakness import Edit, Lookalike, Weakness, put, weak

CHECK = "run.as_declared"
ALL_KINDS = ["cgroup", "ipc", "mnt", "net", "pid", "uts"]


def says(item: str, value: Any, **more: Any) -> Edit:
    """Return the edit of what is declared, and of what the sandbox shows of that."""

    def edit(document: dict[str, Any]) -> None:
        document["declared"] |= {item: value, **more}

    return edit


def less(name: str, item: str, value: Any, cause: str, record: str = "docker", **more: Any) -> Weakness:
    """Return a weakness: docker's container of the sound records, declared to be more confined than it is."""
    return weak(CHECK, name, says(item, value, **more), cause, record=record)


RLIMIT = {"soft": 512, "hard": 512}

WEAKNESSES = (
    less("a capability more", "capabilities", ["CHOWN", "KILL"], "it holds AUDIT_WRITE, DAC_OVERRIDE"),
    less("all capabilities dropped", "capabilities", [], "NET_RAW"),
    less("without no_new_privs", "no_new_privs", True, "no_new_privs is declared and not set"),
    weak(
        CHECK,
        "without the filter",
        lambda document: (
            document["declared"].update(seccomp=True),
            document["outside"]["process"].update(seccomp={"mode": 0, "filters": 0}),
            document["inside"]["process"].update(seccomp={"mode": 0, "filters": 0}),
        ),
        "a seccomp profile is declared and no filter is installed",
        *("seccomp.mode", "seccomp.abi", "seccomp.exec_parity"),
    ),
    less(
        "another AppArmor profile", "lsm", "web", "the profile web is declared, its label is 'docker-default (enforce)'"
    ),
    less(
        "a path without its mask",
        "masked",
        ["/proc/kcore", "/proc/acpi"],
        "/proc/acpi is declared masked and is not",
        exists={"/proc/acpi": True},
    ),
    less(
        "a writable path",
        "readonly",
        ["/proc/sys", "/proc/bus"],
        "/proc/bus is declared read-only and is writable",
        exists={"/proc/bus": True},
    ),
    less("a writable root", "readonly_root", True, "its root is declared read-only and is writable"),
    less(
        "a mount without its flag",
        "mounts",
        [{"target": "/sys", "flags": ["ro"]}, {"target": "/dev/mqueue", "flags": ["ro", "noexec"]}],
        "/dev/mqueue is declared ro",
    ),
    less("a larger rlimit", "rlimits", {"nofile": RLIMIT}, "RLIMIT_NOFILE is 1024, soft 512 is declared"),
    less("a larger hard rlimit", "rlimits", {"nproc": {"soft": 1024, "hard": 1023}}, "hard 1023 is declared"),
    less(
        "another sysctl",
        "sysctls",
        {"net.ipv4.ip_forward": "0"},
        "net.ipv4.ip_forward is 1, 0 is declared",
        shown={"net.ipv4.ip_forward": "1"},
    ),
    less("the host's users", "namespaces", [*ALL_KINDS, "user"], "its user namespace is the host's"),
    less("root", "user", {"uid": 1000}, "its real uid is 0, 1000 is declared"),
    less("another group", "user", {"uid": 0, "gid": 7}, "its real gid is 0, 7 is declared"),
    less("no limit of memory as small", "limits", {"memory": 32.0 * MIB}, "64MiB is in force"),
    less("no quota as small", "limits", {"cpu": 0.25}, "a cpu limit of 0.25 processors is declared, 0.5"),
    less("more tasks", "limits", {"pids": 32.0}, "a pids limit of 32 tasks is declared, 64 tasks is in force"),
    weak(
        CHECK,
        "no limit of tasks",
        lambda document: (
            document["declared"].update(limits={"pids": 32.0}),
            document["outside"]["limits"]["pids"].update(limit=None),
        ),
        "a pids limit of 32 tasks is declared, none is in force",
        record="docker",
    ),
    weak(
        CHECK,
        "an unread inspect",
        put("declared", to={"unobserved": "", "why": "cannot ask 'docker' for its state"}),
        "could not be observed",
        verdict="unknown",
    ),
    weak(
        CHECK,
        "a sysctl that nobody read",
        says("sysctls", {"kernel.domainname": "x"}),
        "could not be observed",
        verdict="unknown",
    ),
    weak(
        CHECK,
        "masks of an attached container",
        says("masked", ["/proc/acpi"], exists={"/proc/acpi": {"unobserved": "", "why": "not tried"}}),
        "could not be observed",
        verdict="unknown",
    ),
)

LOOKALIKES = (
    Lookalike(
        "a path that this kernel does not have", "docker", says("masked", ["/proc/scsi"], exists={"/proc/scsi": False})
    ),
    Lookalike("a path below a read-only one", "docker", says("readonly", ["/proc/sys/kernel", "/sys/class"])),
    Lookalike("a capability that is declared and not held", "docker", says("capabilities", None)),
    Lookalike(
        "ids of a user namespace",
        "container",
        says("user", {"uid": 1000, "gid": 1000, "groups": []}, namespaces=[*ALL_KINDS, "user"]),
    ),
    Lookalike("a stronger rlimit than declared", "docker", says("rlimits", {"nofile": {"soft": 9999, "hard": None}})),
    Lookalike("a stronger limit than declared", "docker", says("limits", {"memory": 1024.0 * MIB, "cpu": 2.0})),
    Lookalike("a rounded quota", "docker", says("limits", {"cpu": 0.498})),
    Lookalike(
        "a sysctl with tabs",
        "docker",
        says("sysctls", {"net.ipv4.ping_group_range": "0\t0"}, shown={"net.ipv4.ping_group_range": "0 0"}),
    ),
    Lookalike("a filter, and one is installed", "container", says("seccomp", True, no_new_privs=True)),
)
