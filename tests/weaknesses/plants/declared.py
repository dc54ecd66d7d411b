"""Plants: a sandbox that is weaker than its runtime says.

An OCI runtime that leaves out what podman asks of it; and limits that somebody lifts after the start.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ground import Ground
from oci_edits import put
from plant import Make, Plant, edits, flags, opened

from provisioner.linux.mounts import read_mounts
from provisioner.sandboxes.sandbox import Sandbox

CHECK = "run.as_declared"
# It starts runc with another configuration; podman's inspect reads the one in the bundle, which stays.
WRAPPER = """#!{python}
import json, os, sys
if "create" in sys.argv:
    at = sys.argv.index("--bundle") + 1
    bundle = sys.argv[at]
    config = json.load(open(os.path.join(bundle, "config.json")))
    process = config["process"]
    {edit}
    sys.argv[at] = os.path.join(bundle, "changed")
    os.mkdir(sys.argv[at])
    json.dump(config, open(os.path.join(sys.argv[at], "config.json"), "w"))
os.execvp("runc", ["runc", *sys.argv[1:]])
"""


def ignoring(edit: str) -> Callable[[Ground], Mapping[str, Any]]:
    """Return the overlay of a podman whose OCI runtime changes its configuration by a line of Python."""

    def overlay(ground: Ground) -> Mapping[str, Any]:
        wrapper = ground.file("runc-that-ignores", WRAPPER.format(python=sys.executable, edit=edit))
        wrapper.chmod(0o755)
        podman, *rest = ground.runtime.create
        return {"create": [podman, "--runtime", str(wrapper), *rest]}

    return overlay


def pid_of(sandbox: Sandbox) -> int:
    """Return the number of its first process on the host."""
    facts = sandbox.outside()
    assert facts is not None
    return facts.process.pid


def raise_files(ground: Ground, sandbox: Sandbox) -> Callable[[], object]:
    """Raise the soft limit of open files to the hard one, from outside."""
    resource.prlimit(pid_of(sandbox), resource.RLIMIT_NOFILE, (1024, 1024))
    return lambda: None


def lift_tasks(ground: Ground, sandbox: Sandbox) -> Callable[[], object]:
    """Take the limit of tasks from its cgroup."""
    facts = sandbox.outside()
    assert facts is not None
    path = next(line.path for line in facts.process.cgroups if "pids" in line.controllers)
    top = next(mount.target for mount in read_mounts() if mount.target.name == "pids")
    file = Path(f"{top}{path}", "pids.max")
    assert file.read_text() == "99\n"
    file.write_text("max")
    return lambda: None


V1 = "/sys/fs/cgroup/pids/cgroup.procs"
TASKS = "a pids limit of 99 tasks is declared, none is in force"
FILES = "RLIMIT_NOFILE is 1024, soft 512 is declared"

EVERY_SET = 'for held in process["capabilities"].values(): held.append("CAP_KILL")'
IGNORED = (  # what is asked of podman, how it is ignored, what is found
    (
        ("--security-opt", "no-new-privileges"),
        'process["noNewPrivileges"] = False',
        "no_new_privs is declared and not set",
    ),
    (("--read-only",), 'config["root"]["readonly"] = False', "its root is declared read-only"),
    (("--cap-drop", "KILL"), EVERY_SET, "it holds KILL, not declared"),
    (("--sysctl", "kernel.shm_rmid_forced=1"), 'config["linux"]["sysctl"] = {}', "kernel.shm_rmid_forced is 0"),
    (
        ("--security-opt", "mask=/sys/class/mem"),
        'config["linux"]["maskedPaths"].remove("/sys/class/mem")',
        "/sys/class/mem is declared masked and is not",
    ),
    (
        ("--ulimit", "nofile=256:256"),
        'process["rlimits"] = [one for one in process["rlimits"] if one["type"] != "RLIMIT_NOFILE"]',
        "RLIMIT_NOFILE is ",
    ),
    (("--pids-limit", "77"), 'config["linux"]["resources"].pop("pids")', "a pids limit of 77 tasks is declared"),
)


def without_cgroups(config: dict[str, Any]) -> None:
    """Take the mount of cgroups, of which runc declares more than it does on v1."""
    config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/sys/fs/cgroup"]


# runc leaves the folder of cgroup v1 writable; podman's own mount of it gives way to this one
OTHER_MOUNT = ("--mount", "type=tmpfs,destination=/sys/fs/cgroup,ro=true,tmpfs-size=65536")
BASES: dict[tuple[str, str], Make] = {
    ("runc", "no mount of cgroups"): edits(without_cgroups),
    ("podman", "no mount of cgroups"): flags(*OTHER_MOUNT),
}

PLANTS = (
    Plant(
        "an OCI runtime that ignores --user 1000:1000",
        ("podman",),
        {CHECK: "its real uid is 0, 1000 is declared", "proc.exec_parity": "has the uids 1000"},  # exec does not
        spec=flags(*OTHER_MOUNT, "--user", "1000:1000"),
        base="no mount of cgroups",
        overlay=ignoring('process["user"] = {"uid": 0, "gid": 0}'),
    ),
    *(
        Plant(
            f"an OCI runtime that ignores {' '.join(words)}",
            ("podman",),
            {CHECK: cause},
            opened("lim.tmpfs") if "--read-only" in words else {},  # podman mounts some without a size
            spec=flags(*OTHER_MOUNT, *words),
            base="no mount of cgroups",
            overlay=ignoring(edit),
        )
        for words, edit, cause in IGNORED
    ),
    Plant(
        "its soft limit of files raised",
        ("docker",),
        {CHECK: FILES},
        spec=flags("--ulimit", "nofile=512:1024"),
        beside=raise_files,
    ),
    Plant(
        "its soft limit of files raised",
        ("runc",),
        {CHECK: FILES},
        base="no mount of cgroups",
        spec=edits(without_cgroups, put("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 1024}])),
        beside=raise_files,
    ),
    Plant(
        "its limit of tasks lifted",
        ("docker",),
        {CHECK: TASKS},
        spec=flags("--pids-limit", "99"),
        beside=lift_tasks,
        needs=V1,
    ),
    Plant(
        "its limit of tasks lifted",
        ("runc",),
        {CHECK: TASKS},
        base="no mount of cgroups",
        spec=edits(without_cgroups, put("linux.resources.pids", {"limit": 99})),
        beside=lift_tasks,
        needs=V1,
    ),
)
