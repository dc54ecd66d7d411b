"""Plants of an exec, and of processes beside the first, that have one thing more than the first process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from argument_lists import exec_with, with_descriptor
from ground import Ground
from oci_edits import revoke
from plant import Plant, edits

from plants.tasks import Beside, executed
from provisioner.sandboxes.sandbox import Sandbox

RUNC, ENGINES = ("runc",), ("docker", "podman")
EXEC, LIMITS, MORE, FILE = "proc.exec_parity", "proc.exec_limits", "proc.parity", "fd.outside_file"
HOSTS_NET = "/proc/self/ns/net"
DISK = next((path for path in ("/dev/loop0", "/dev/vda", "/dev/sda") if Path(path).is_block_device()), "")

ONLY_SYNTHETIC = {"lsm.exec_parity": "this host's kernel has no security module that labels processes"}


def by_file(**changed: Any) -> Callable[[Ground, Sandbox], list[str]]:
    """Return an exec of the first process's own configuration, with keys of `process` replaced."""

    def make(ground: Ground, sandbox: Sandbox) -> list[str]:
        process = json.loads((sandbox._bundle / "config.json").read_text())["process"]
        process |= {"args": ["/probe", "facts", sandbox.nonce], "terminal": False} | changed
        file = ground.directory("exec") / "process.json"
        file.write_text(json.dumps(process))
        argv = list(ground.runtime.exec or ())
        return [*argv[: argv.index("exec") + 1], "--process", str(file), "{{ name }}"]

    return make


def user(**changed: Any) -> Callable[[Ground, Sandbox], list[str]]:
    """Return an exec with keys of `process.user` replaced."""
    return by_file(user={"uid": 0, "gid": 0} | changed)


def given(*words: str) -> Callable[[Ground, Sandbox], list[str]]:
    """Return the runtime's own exec with descriptor 3 open on a file of the test's own."""

    def make(ground: Ground, sandbox: Sandbox) -> list[str]:
        return with_descriptor(exec_with(*words)(ground, sandbox), ground.file("given"))

    return make


def held(what: str, *words: str) -> Beside:
    """Return an exec that stays, with descriptor 3 open on a path of the host."""
    return executed(*words, before=("sh", "-c", 'path=$1; shift; exec "$@" 3<"$path"', "sh", what))


def errors_to_a_file(ground: Ground) -> dict[str, Any]:
    """Return the overlay that sends the standard error of what it creates to a file of the test's own."""
    file = str(ground.file("errors"))
    return {"create": ["sh", "-c", 'file=$1; shift; exec "$@" 2>>"$file"', "sh", file, *ground.runtime.create]}


PLANTS = (
    # the exec
    Plant("exec without no_new_privs", RUNC, {EXEC: "has no_new_privs off"}, exec=by_file(noNewPrivileges=False)),
    Plant(
        "exec with a group more",
        ("runc", "crun"),
        {EXEC: "is also in the groups 999"},
        apart=(LIMITS,),  # a file gives crun the rlimits that its exec leaves out
        exec=user(additionalGids=[999]),
    ),
    Plant("exec with the group disk", ENGINES, {EXEC: "has the gids 6"}, exec=exec_with("--user", "0:6")),
    Plant("exec as another user", ("runc", *ENGINES), {EXEC: "has the uids 1000"}, exec=exec_with("--user", "1000")),
    Plant("exec with an open umask", ("crun",), {EXEC: "has the umask 000"}, apart=(LIMITS,), exec=user(umask=0)),
    Plant(
        "exec with a descriptor of the host",
        RUNC,
        {EXEC: "was given the descriptors 3"},
        exec=given("--preserve-fds", "1"),
    ),
    Plant(
        "exec with a larger limit",
        RUNC,
        {LIMITS: "has RLIMIT_NOFILE 4096, the first one 1024"},
        exec=by_file(rlimits=[{"type": "RLIMIT_NOFILE", "hard": 4096, "soft": 1024}]),
    ),
    # processes beside the first
    Plant(
        "an exec that stays, with a capability of the default that the first one dropped",
        RUNC,
        {MORE: "holds KILL, which"},
        spec=edits(revoke("KILL")),
        base="without KILL",
        beside=executed("--cap", "CAP_KILL"),
    ),
    Plant(
        "an exec that stays, with a group more",
        RUNC,
        {MORE: "has the groups 54321"},
        beside=executed("--additional-gids", "54321"),
    ),
    Plant(
        "an exec that stays, with a folder of the host",
        RUNC,
        {"fd.outside_dir": "descriptor 3 in process"},
        beside=held("/etc", "--preserve-fds", "1"),
    ),
    Plant(
        "an exec that stays, with a file of the host",
        RUNC,
        {FILE: "descriptor 3 leads to the file /etc/passwd in process"},
        beside=held("/etc/passwd", "--preserve-fds", "1"),
    ),
    Plant(
        "an exec that stays, with a namespace of the host",
        RUNC,
        {"ns.join": "descriptor 3 leads to net:["},
        beside=held(HOSTS_NET, "--preserve-fds", "1"),
    ),
    Plant(
        "an exec that stays, with a disk of the host",
        RUNC,
        {FILE: f"descriptor 3 leads to the disk {DISK}"},
        beside=held(DISK, "--preserve-fds", "1"),
        needs=DISK or "/dev/loop0",
    ),
    # the first process
    Plant(
        "standard error to a file of the host",
        ("unshare", "bwrap"),
        {FILE: "descriptor 2 leads to the file"},
        overlay=errors_to_a_file,
    ),
    # look-alikes
    Plant("exec by a file of the first one's own configuration", RUNC, exec=by_file()),
    Plant(
        "exec with a smaller limit",
        RUNC,
        exec=by_file(rlimits=[{"type": "RLIMIT_NOFILE", "hard": 64, "soft": 64}]),
    ),
    Plant("an exec that stays, with /dev/null of the host", RUNC, beside=held("/dev/null", "--preserve-fds", "1")),
)
BASES = {("runc", "without KILL"): edits(revoke("KILL"))}
