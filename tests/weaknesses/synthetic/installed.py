"""Synthetic weaknesses and look-alikes: the installed filter, other ABIs, sockets, unknown calls, listeners."""

from __future__ import annotations

from programs import ALLOW, ENOSYS, EPERM, KILL, LOG, NOTIFY, Rules, installed, program, tasks
from sound.filters import PERSONALITY, RULES, SOUND
from weakness import UNSEEN, Dict, Edit, Lookalike, add, put, row, weak

from pytest_isolation.walls.seccomp.program import DANGEROUS
from pytest_isolation.walls.seccomp.tries import SOCKETS

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
    return program({**rules, **more, **{call: value for call, value in SOUND_RULES.items() if call not in rules}})


def host(name: str, result: str) -> Edit:
    """Return the edit of what a try came to on the host."""
    return put("host", "system", "tries", name, "result", to=result)


SOUND_RULES = RULES | PERSONALITY
UNSEEN_FILTERS = put("outside", "process", "filters", to=UNSEEN)
NO_SOCKETS = both(*(host(one, "EAFNOSUPPORT") for one in SOCKETS))

WEAKNESSES = (
    # the installed filter says more than its tries
    *(
        weak("seccomp.dangerous", f"the filter lets through {call}", filters(but({call: ALLOW})), f" {call}")
        for call in DANGEROUS
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
        "20 of 20 dangerous calls",
    ),
    weak(
        "seccomp.dangerous",
        "an answer that is not the filter's",
        both(filters(but({"kcmp": ENOSYS})), row("kcmp.self", "ok")),
        "kcmp (though the installed filter refuses it)",
    ),
    weak("seccomp.dangerous", "by its try alone", both(UNSEEN_FILTERS, row("kcmp.self", "ok")), "lets through kcmp"),
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
            filters(program(SOUND_RULES, abis, foreign=ALLOW)),
            f"let through by {cause}",
        )
        for abis, cause in (
            (("x86_64", "x32"), "i386's acct"),
            (("x86_64", "i386"), "x32's acct"),
            (("x86_64",), "i386's acct"),
        )
    ),
    weak(
        "seccomp.abi",
        "by its try alone",
        both(UNSEEN_FILTERS, row("i386.personality", "ok")),
        "let through by i386's personality",
    ),
    # sockets, unknown calls, listeners
    *(weak("seccomp.sockets", words, row(name, "ok"), f"opens {words}") for name, words in SOCKETS.items()),
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
        Lookalike(f"a filter that {words}", "container", filters(program(dict.fromkeys(SOUND_RULES, value))))
        for words, value in (("answers ENOSYS", ENOSYS), ("kills", KILL), ("answers errno 0", 0x00050000))
    ),
    Lookalike("two filters, the older one sound", "container", filters(SOUND, program({}))),
    Lookalike("two filters, the newer one sound", "container", filters(program({}), SOUND)),
    Lookalike(
        "two filters that refuse half each",
        "container",
        filters(
            program({call: EPERM for call in DANGEROUS if call < "k"}),
            program({call: EPERM for call in DANGEROUS if call >= "k"}),
        ),
    ),
    Lookalike(
        "an allow list",
        "container",
        filters(program({"read": ALLOW, "write": ALLOW, "socket": ALLOW}, default=EPERM)),
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
        both(filters(program(SOUND_RULES, ("x86_64", "i386"), foreign=ALLOW)), host("x32.personality", "ENOSYS")),
    ),
    Lookalike(
        "i386 open in a kernel without it",
        "container",
        both(filters(program(SOUND_RULES, ("x86_64", "x32"), foreign=ALLOW)), host("i386.personality", "SIGSEGV")),
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
