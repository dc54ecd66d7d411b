"""Synthetic weaknesses and look-alikes: the installed filter, other ABIs, sockets, unknown calls, listeners."""

from __future__ import annotations

from programs import ALLOW, ENOSYS, EPERM, KILL, LOG, NOTIFY, Rules, installed, program, tasks
from sound.filters import NAMESPACES, REFUSED, RULES, SOCKETS, SOUND, rule
from weakness import UNSEEN, Dict, Edit, Lookalike, add, put, row, weak

from pytest_isolation.walls.seccomp.syscalls import call_numbers
from pytest_isolation.walls.seccomp.tries import SOCKETS as TRIED

ENTRIES = ("i386", "x32")


def both(*edits: Edit) -> Edit:
    """Return one edit that makes several."""

    def edit(document: Dict) -> None:
        for one in edits:
            one(document)

    return edit


def filters(*stack: bytes) -> Edit:
    """Return the edit that installs other filters, the oldest first."""
    return put("outside", "process", "filters", to=installed(*stack))


def but(rules: Rules, **more: int) -> bytes:
    """Return the sound program with these rules before its own."""
    own = {call: value for call, value in RULES.items() if call not in rules}
    return program({**rules, **more, **own}, default=EPERM)


def only(*abis: str) -> bytes:
    """Return the sound program for these ABIs alone; it lets all calls by others pass."""
    return program(RULES, abis, default=EPERM, foreign=ALLOW)


def host(name: str, result: str) -> Edit:
    """Return the edit of what a try came to on the host."""
    return put("host", "system", "tries", name, "result", to=result)


OWN = call_numbers("x86_64")
EQUAL_FLAGS = {
    "clone:0=0x10000000": EPERM,
    **{rule: EPERM for rule in NAMESPACES if rule != "clone:0&0x10000000"},
    "clone": ALLOW,
}
UNSEEN_FILTERS = put("outside", "process", "filters", to=UNSEEN)
NO_SOCKETS = both(*(host(one, "EAFNOSUPPORT") for one in TRIED))

WEAKNESSES = (
    # the installed filter says more than its tries
    *(
        weak(
            "seccomp.dangerous",
            f"the filter lets through {one.label}",
            filters(but({rule(one.label): ALLOW})),
            f"the filter lets through {one.label}",
            record="docker",
        )
        for one in REFUSED
        if one.call in OWN
    ),
    weak(
        "seccomp.dangerous",
        "a deny list without a gap",
        filters(program({**{rule(one.label): EPERM for one in REFUSED}, **SOCKETS})),
        "the filter allows by default every call that it does not name",
    ),
    weak(
        "seccomp.dangerous",
        "a deny list of one call",
        filters(program({"bpf": EPERM, **SOCKETS})),
        "it does not name; 39 dangerous calls",
    ),
    weak("seccomp.dangerous", "a logged bpf", filters(but({"bpf": LOG})), "lets through bpf"),
    weak("seccomp.dangerous", "one of bpf's commands", filters(but({"bpf:0=5": ALLOW})), "bpf (for some arguments)"),
    weak(
        "seccomp.dangerous",
        "personality(ADDR_NO_RANDOMIZE)",
        filters(but({"personality:0=0x40000": ALLOW})),
        "lets through personality",
    ),
    weak(
        "seccomp.dangerous",
        "a task beside it without a filter",
        put("outside", "process", "filters", to=tasks({4242: [SOUND], 4300: []})),
        "no filter in process 4300",
    ),
    weak(
        "seccomp.dangerous",
        "an answer that is not the filter's",
        both(filters(but({"kcmp": ENOSYS})), row("kcmp.self", "ok")),
        "kcmp (though the installed filter refuses it)",
    ),
    weak("seccomp.dangerous", "no filter", filters(), "no filter is installed", record="docker"),
    *(
        weak("seccomp.dangerous", name, filters(but(rules)), f"the filter lets through {found}", record="docker")
        for name, rules, found in (
            ("all arguments of unshare", {"unshare": ALLOW}, "unshare"),
            ("all families of sockets", {"socket": ALLOW}, "socket(AF_ALG, AF_VSOCK)"),
            ("a rule that refuses one value of flags", EQUAL_FLAGS, "clone(CLONE_NEWUSER) (for some arguments)"),
            ("clone3", {"clone3": ALLOW}, "clone3"),
            ("clone3 with a flag that lies in memory", {"clone3:0=0x10000000": EPERM, "clone3": ALLOW}, "clone3"),
        )
    ),
    weak("seccomp.dangerous", "by its try alone", both(UNSEEN_FILTERS, row("kcmp.self", "ok")), "lets through kcmp"),
    weak(
        "seccomp.dangerous",
        "a busy host that ran out of time",
        put("outside", "process", "filters", to={"unobserved": "ETIMEDOUT", "why": "ask process 42 for its filters"}),
        "ask process 42 for its filters",
        verdict="unknown",
    ),
    # other entries
    *(
        weak(
            "seccomp.abi", f"{entry} answers {call}", row(f"{entry}.{call}", answer), f"let through by {entry}'s {call}"
        )
        for entry in ENTRIES
        for call, answer in (("personality", "ok"), ("add_key", "EFAULT"), ("bpf", "EINVAL"))
    ),
    *(
        weak(
            "seccomp.abi",
            f"{' and '.join(abis)} alone",
            filters(only(*abis)),
            f"let through by {cause}",
        )
        for abis, cause in (
            (("x86_64", "x32"), "i386's _sysctl"),
            (("x86_64", "i386"), "x32's acct"),
            (("x86_64",), "i386's _sysctl"),
        )
    ),
    weak(
        "seccomp.abi",
        "by its try alone",
        both(UNSEEN_FILTERS, row("i386.personality", "ok")),
        "let through by i386's personality",
    ),
    # sockets, unknown calls, listeners
    *(weak("seccomp.sockets", words, row(name, "ok"), f"opens {words}") for name, words in TRIED.items()),
    weak("seccomp.unknown", "EPERM by default", row("syscall.unknown", "EPERM"), "answers EPERM"),
    weak("seccomp.unknown", "killed by default", row("syscall.unknown", "SIGSYS"), "answers SIGSYS"),
    weak(
        "seccomp.notify",
        "the listener inside",
        add("outside", "process", "fds", item={"fd": 2, "target": "anon_inode:seccomp notify"}),
        "descriptors 2 are listeners",
    ),
)

LOOKALIKES = (
    *(
        Lookalike(
            f"a filter that {words}",
            "container",
            filters(program({**dict.fromkeys(SOCKETS, value), **RULES}, default=value)),
        )
        for words, value in (("answers ENOSYS", ENOSYS), ("kills", KILL), ("answers errno 0", 0x00050000))
    ),
    Lookalike("two filters, the older one sound", "container", filters(SOUND, program({}))),
    Lookalike("two filters, the newer one sound", "container", filters(program({}), SOUND)),
    Lookalike(
        "two filters that refuse half each",
        "container",
        filters(
            but({rule(one.label): ALLOW for one in REFUSED if one.call < "k"}),
            but({rule(one.label): ALLOW for one in REFUSED if one.call >= "k"}),
        ),
    ),
    Lookalike(
        "an allow list",
        "container",
        filters(program({**SOCKETS, "read": ALLOW, "write": ALLOW, "socket": ALLOW}, default=EPERM)),
    ),
    Lookalike(
        "an errno that the call itself may give",
        "container",
        both(filters(but({"bpf": 0x00050016})), row("bpf.bad_cmd", "EINVAL"), row("i386.bpf", "EINVAL")),
    ),
    Lookalike(
        "an errno that reads as success", "container", both(filters(but({"kcmp": 0x00050000})), row("kcmp.self", "ok"))
    ),
    Lookalike("a call that a supervisor decides", "container", filters(but({"bpf": NOTIFY}))),
    Lookalike(
        "a call that this kernel has not",
        "container",
        both(filters(but({"kexec_load": ALLOW})), host("kexec_load.bad_flags", "ENOSYS")),
    ),
    Lookalike(
        "x32 open in a kernel without it",
        "container",
        both(filters(only("x86_64", "i386")), host("x32.personality", "ENOSYS")),
    ),
    Lookalike(
        "i386 open in a kernel without it",
        "container",
        both(
            filters(only("x86_64", "x32")),
            host("i386.personality", "SIGSEGV"),
        ),
    ),
    Lookalike(
        "a kernel of one entry",
        "container",
        both(host("x32.personality", "ENOSYS"), host("i386.personality", "SIGSEGV")),
        (("seccomp.abi", "not_applicable"),),
    ),
    Lookalike(
        "a machine whose entries nobody tried",
        "container",
        put("host", "system", "kernel", "machine", to="riscv64"),
        (("seccomp.abi", "unknown"),),
    ),
    Lookalike("a filter that nobody saw", "container", UNSEEN_FILTERS),
    Lookalike(
        "a task whose filter nobody saw",
        "container",
        put("outside", "process", "filters", "tasks", 0, "stack", to=UNSEEN),
        (("seccomp.abi", "unknown"), ("seccomp.dangerous", "unknown")),
    ),
    Lookalike("a kernel without such sockets", "container", NO_SOCKETS, (("seccomp.sockets", "not_applicable"),)),
    Lookalike(
        "an anonymous descriptor that listens to nothing",
        "container",
        add("outside", "process", "fds", item={"fd": 2, "target": "anon_inode:[eventpoll]"}),
    ),
)
