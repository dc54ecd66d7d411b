"""Plants of a second process that is weaker than the first: an exec that stays, or one that enters from the host."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from ground import Ground
from oci_edits import put
from plant import Plant, edits, flags

from plants.declared import OTHER_MOUNT
from provisioner.runtimes.render import render_argv
from provisioner.sandboxes.sandbox import Sandbox

Beside = Callable[[Ground, Sandbox], Callable[[], object]]
ENGINES = ("docker", "podman")
MORE = "proc.parity"
SERVE = ["/probe", "serve", "beside"]


def entered(*words: str) -> Beside:
    """Return what enters the subject's namespaces from the host, and stays."""

    def start(ground: Ground, sandbox: Sandbox) -> Callable[[], object]:
        facts = sandbox.outside()
        assert facts is not None
        return _start(["nsenter", "--target", str(facts.process.pid), *words, "--", *SERVE])

    return start


def executed(*words: str, before: Sequence[str] = ()) -> Beside:
    """
    Return what the runtime's own exec starts, and stays.

    Args:
        words: further flags of the exec.
        before: words that stand before the exec's own command.
    """

    def start(ground: Ground, sandbox: Sandbox) -> Callable[[], object]:
        values: dict[str, Any] = {**sandbox._values, "argv": SERVE}
        argv = render_argv(sandbox.runtime.exec or [], values, "exec")
        at = argv.index("exec") + 1
        # without it the input of an engine's exec ends at once, and so does what it started
        more = ["--interactive"] if argv[0] in ENGINES else []
        return _start([*before, *argv[:at], *words, *more, *argv[at:]])

    return start


def _start(argv: list[str]) -> Callable[[], object]:
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.read(1), f"{argv} did not start"  # of its hello
    return lambda: process.communicate(timeout=300)  # end of input ends it


PLANTS = (
    Plant(
        "an exec with a capability that stays",
        ("runc",),
        {"cap.bounding": "LINUX_IMMUTABLE", "cap.baseline": "LINUX_IMMUTABLE", MORE: "holds LINUX_IMMUTABLE"},
        beside=executed("--cap", "CAP_LINUX_IMMUTABLE"),
    ),
    Plant(
        "a process that entered from the host",
        ("runc",),
        {"ns.exec_parity": "lives in another cgroup"},
        beside=entered("--all", "--setuid", "1000", "--setgid", "1000"),
        also={"cap.bounding": "open", "nnp.set": "open", MORE: "open"},
    ),
    *(
        Plant(
            "a process that entered from the host, without a filter",
            (engine,),
            {
                "cap.bounding": "its bounding set also holds",
                "seccomp.mode": "mode 0",
                "seccomp.dangerous": "",
                "seccomp.abi": "",
                "run.as_declared": "it holds AUDIT_CONTROL",
                "ns.exec_parity": "lives in another cgroup",
                MORE: "has no seccomp filter",
            },
            spec=flags(*words),
            base=base,
            beside=entered("--all", "--setuid", "1000", "--setgid", "1000"),
        )
        for engine, base, words in (("docker", "", ()), ("podman", "no mount of cgroups", OTHER_MOUNT))
    ),
    Plant(
        "a process of the host's pid and network namespaces",
        ("runc",),
        {
            "ns.pid": "host's pid namespace",
            "ns.pid.procfs": "host's pid namespace",
            "ns.net": "host's network namespace",
            "ns.ipc": "host's IPC namespace",
            "ns.uts": "host's UTS namespace",
            "ns.exec_parity": "lives in another cgroup",
        },
        beside=entered("--mount", "--setuid", "1000", "--setgid", "1000"),
        also={"cap.bounding": "open", "nnp.set": "open", MORE: "open"},
    ),
    Plant(
        "an exec as root beside another user",
        ("runc",),
        {"user.nonroot": ") runs as uid 0 inside", MORE: "holds AUDIT_WRITE, KILL, NET_BIND_SERVICE, runs as root"},
        spec=edits(put("process.user", {"uid": 1000, "gid": 1000})),
        base="user",
        beside=executed("--user", "0:0"),
    ),
    Plant(
        "an exec as root beside another user",
        ("podman",),
        {"user.nonroot": ") runs as uid 0 inside"},
        spec=flags("--user", "1000:1000"),
        base="user",
        beside=executed("--user", "0:0"),
    ),
    # look-alikes
    Plant("an exec that stays", ("runc", *ENGINES), beside=executed()),
    Plant("an exec as another user that stays", ("runc", *ENGINES), beside=executed("--user", "1000:1000")),
)
