"""Draws allow lists: docker's default profile, with some calls more, dangerous and innocent ones.

In: the names of what is added.  Out: an edit of `linux.seccomp` (OCI runtime-spec, config-linux.md).
"""

from __future__ import annotations

from typing import Any

from pytest_isolation.differential.edits import ERRNOS, Config, Edit, Place
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.documented_filter import STRICTEST, default_filter
from pytest_isolation.walls.seccomp.reasons import Class, questions, reasons

ALLOW = "SCMP_ACT_ALLOW"
EQUAL, MASKED, LESS, GREATER = "SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_LT", "SCMP_CMP_GT"
NAMESPACES = 0x7E020000  # CLONE_NEW* that clone(2) takes
Rule = tuple[str, tuple[tuple[int, str, int, int], ...]]  # a call, and comparisons: index, how, value, second value
# What docker allows with some arguments.
IN_PART: tuple[Rule, ...] = (
    ("clone", ((0, MASKED, NAMESPACES, 0),)),
    *(("personality", ((0, EQUAL, value, 0),)) for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)),
    *(("socket", ((0, how, family, 0),)) for how, family in ((LESS, 38), (EQUAL, 39), (GREATER, 40))),
)
# What a drawn list may allow beside docker's own, by name.
ADDED: dict[str, Rule] = {
    **{
        call: (call, ())
        for call in (
            *("add_key", "bpf", "clone3", "io_uring_setup", "kcmp", "keyctl", "move_pages", "open_by_handle_at"),
            *("perf_event_open", "process_madvise", "quotactl", "request_key", "setns", "swapon", "syslog", "unshare"),
            *("userfaultfd", "vhangup"),
        )
    },
    "clone with CLONE_NEWNET": ("clone", ((0, MASKED, 0x40000000, 0x40000000),)),
    "clone of exactly CLONE_NEWUSER": ("clone", ((0, EQUAL, 0x10000000, 0),)),
    "unshare with CLONE_NEWUSER": ("unshare", ((0, MASKED, 0x10000000, 0x10000000),)),
    "unshare of exactly CLONE_NEWNS": ("unshare", ((0, EQUAL, 0x20000, 0),)),
    "AF_VSOCK": ("socket", ((0, EQUAL, 40, 0),)),
    "AF_ALG": ("socket", ((0, EQUAL, 38, 0),)),
    "ADDR_NO_RANDOMIZE": ("personality", ((0, EQUAL, 0x40000, 0),)),
    # innocent: docker's profile allows them, or they open nothing
    "AF_TIPC": ("socket", ((0, EQUAL, 30, 0),)),
    "unshare of exactly CLONE_FILES": ("unshare", ((0, EQUAL, 0x400, 0),)),
    "personality UNAME26": ("personality", ((0, EQUAL, 0x20000, 0),)),
    "ptrace": ("ptrace", ()),
}


def allow_list(choice: tuple[str, ...], place: Place) -> Edit:
    """Install docker's allow list with more; the last item is the default's errno, the others are names in ADDED."""
    *added, errno = choice

    def edit(config: Config) -> None:
        rules = [{"names": _allowed(), "action": ALLOW}, *map(_rule, IN_PART), *(_rule(ADDED[name]) for name in added)]
        default = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": ERRNOS[errno]}
        config["linux"]["seccomp"] = {**default, "syscalls": rules}

    return edit


def _allowed() -> list[str]:
    """Return the calls that docker's newest default profile allows with any arguments, and harmless ones."""
    docker = default_filter(STRICTEST, Conditions())
    refused = {one.call for one in questions() if not docker.lets_through(one.call, one.label)}
    return sorted(call for call, row in reasons().items() if row.class_ is Class.HARMLESS or call not in refused)


def _rule(rule: Rule) -> dict[str, Any]:
    call, comparisons = rule
    args = [{"index": index, "op": how, "value": one, "valueTwo": two} for index, how, one, two in comparisons]
    return {"names": [call], "action": ALLOW, **({"args": args} if args else {})}
