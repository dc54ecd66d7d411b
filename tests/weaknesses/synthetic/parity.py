"""Synthetic weaknesses and look-alikes: an exec'd process, and processes beside the first, that have more than it."""

from __future__ import annotations

from typing import Any

from fact_parts import INITIAL, Dict
from weakness import Edit, Lookalike, add, proc, put, weak

from pytest_isolation.walls.capabilities import mask_of
from synthetic.tasks import beside

EXEC, LIMITS, LABEL, MORE = "proc.exec_parity", "proc.exec_limits", "lsm.exec_parity", "proc.parity"
FILE, FOLDER = "fd.outside_file", "fd.outside_dir"


def lead(fd: str, target: str, type_: str = "file", **more: Any) -> Dict:
    """Return what a descriptor leads to."""
    place = {"access": "r", "major": 8, "minor": 1, "inode": 77, "rdev": None, "holder": None}
    return {"fd": fd, "target": target, "type": type_, **place} | more


def leads(*found: Dict) -> Edit:
    """Return the edit of what the first process's descriptors lead to."""
    return proc("outside", "leads", list(found))


def ptys(*found: Dict) -> Edit:
    """Return the edit of what a process beside the first has open."""
    return beside(leads=list(found))


DISK = lead("5", "/dev/sda", "block", rdev=[8, 0])
HOSTS_NET = f"net:[{INITIAL['net']}]"


WEAKNESSES = (
    weak(EXEC, "exec without no_new_privs", proc("exec", "no_new_privs", 0), "has no_new_privs off"),
    weak(EXEC, "exec with a group more", proc("exec", "groups", [999]), "is also in the groups 999"),
    weak(EXEC, "exec --user 0", proc("exec", "uid", [0] * 4), "has the uids 0 0 0 0, the first one 1000"),
    weak(EXEC, "exec with another group", proc("exec", "gid", [5] * 4), "has the gids 5 5 5 5"),
    weak(EXEC, "exec with an open umask", proc("exec", "umask", 0), "has the umask 000, the first one 022"),
    weak(EXEC, "exec without the securebits", proc("exec", "securebits", 0), "lacks the securebits 0x1"),
    weak(
        EXEC,
        "exec with a descriptor",
        add("exec", "process", "fds", item={"fd": 7, "target": "/etc"}),
        "was given the descriptors 7 (/etc)",
    ),
    weak(
        EXEC,
        "CVE-2024-21626, exec --cwd",
        put("exec", "process", "handles", "cwd", "mount", to=4000),
        "has cwd as a folder outside its root",
    ),
    weak(EXEC, "exec in another root", put("exec", "process", "handles", "root", "inode", to=4), "another root folder"),
    weak(
        EXEC,
        "exec that a filter of its own lets pass",
        put("exec", "system", "tries", "bpf.prog_load_empty", "result", to="E2BIG"),
        "gets past the refusal of bpf.prog_load_empty",
    ),
    weak(
        EXEC,
        "exec that writes to sysrq-trigger",
        put("exec", "system", "paths", "/proc/sysrq-trigger", "write", to="ok"),
        "opens /proc/sysrq-trigger for writing",
    ),
    weak(LIMITS, "exec with more descriptors", put("exec", "process", "rlimits", "nofile", "hard", to=4096), "NOFILE"),
    weak(LIMITS, "exec without a limit", put("exec", "process", "rlimits", "nproc", "hard", to=None), "unlimited"),
    weak(LIMITS, "exec that the OOM killer spares", proc("exec", "oom_score_adj", -900), "oom_score_adj -900"),
    weak(LABEL, "exec --apparmor unconfined", proc("exec", "lsm", "unconfined"), "no mandatory-access label"),
    weak(LABEL, "exec without a label", proc("exec", "lsm", ""), "an exec'd process is not confined", record="docker"),
    weak(LABEL, "exec in complain mode", proc("exec", "lsm", "crun-default (complain)"), "is not enforced"),
    weak(LABEL, "exec in another profile", proc("exec", "lsm", "other (enforce)"), "has the label 'other (enforce)'"),
    # processes beside the first
    weak(MORE, "a group more", beside(groups=[999]), "process 4300 (sh, pid 9 inside) has the groups 999"),
    weak(
        MORE,
        "one capability of the default more",
        beside(capabilities={"effective": mask_of(["CHOWN"])}),
        "holds CHOWN",
        "cap.restricted",
    ),
    weak(MORE, "an ambient one", beside(capabilities={"ambient": mask_of(["KILL"])}), "holds KILL", "cap.ambient"),
    weak(
        MORE,
        "a larger bounding set",
        beside(capabilities={"bounding": mask_of(["SETUID"])}),
        "holds SETUID",
        "cap.restricted",
    ),
    # descriptors
    weak(
        FILE, "standard input from a file", leads(lead("0", "/etc/shadow")), "descriptor 0 leads to the file /etc/sha"
    ),
    weak(FILE, "standard output to a file", leads(lead("1", "/var/log/x", access="w")), "descriptor 1 leads to"),
    weak(FILE, "a disk", leads(DISK), "descriptor 5 leads to the disk /dev/sda (8:0)"),
    weak(FILE, "a device", leads(lead("9", "/dev/kvm", "char", rdev=[10, 232])), "the device /dev/kvm"),
    weak(FILE, "a file of another process", ptys(lead("0", "/root/key")), "in process 4300 (sh, pid 9 inside)"),
    weak(FILE, "a disk of another process", ptys(DISK), "disk /dev/sda (8:0) in process 4300"),
    weak(FOLDER, "a folder of another process", ptys(lead("7", "/", "dir")), "descriptor 7 in process 4300"),
    weak(FOLDER, "the cwd of another process", ptys(lead("cwd", "/", "dir")), "cwd in process 4300"),
    weak(
        "ns.join",
        "a namespace of the host in another process",
        ptys(lead("4", HOSTS_NET)),
        f"descriptor 4 leads to {HOSTS_NET} in process 4300",
    ),
    weak("ns.join", "another sandbox's namespace", ptys(lead("4", "net:[77]", holder=812)), "leads to net:[77]"),
)

LOOKALIKES = (
    Lookalike("a first program that gained capabilities", "container", put("inside", "process", "dumpable", to=0)),
    Lookalike("exec with a smaller limit", "container", put("exec", "process", "rlimits", "nofile", "hard", to=64)),
    Lookalike("exec with a higher soft limit", "container", put("exec", "process", "rlimits", "nofile", "soft", to=9)),
    Lookalike("exec that is killed first", "container", proc("exec", "oom_score_adj", 500)),
    Lookalike("exec with a narrower umask", "container", proc("exec", "umask", 0o077)),
    Lookalike("exec with a terminal", "container", proc("exec", "terminal", {"session": 9, "tty": 34816})),
    Lookalike(
        "/dev/null, a terminal and the program",
        "container",
        leads(
            lead("0", "/dev/null", "char", rdev=[1, 3]),
            lead("1", "/dev/pts/3", "char", rdev=[136, 3]),
            lead("exe", "/usr/bin/bwrap", access="path"),
        ),
    ),
    Lookalike("a user that it cannot become", "container", beside(uid=[101001] * 4, gid=[101001] * 4)),
    Lookalike("a namespace that another process made", "container", ptys(lead("4", "net:[77]"))),
    Lookalike(
        "an init with a group that it gave away",
        "container",
        beside(groups=[999], nspid=[4300, 1]),
    ),
    Lookalike("left out while an exec starts", "container", put("outside", "left_out", to=3)),
)
