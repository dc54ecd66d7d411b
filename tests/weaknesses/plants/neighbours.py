"""Plants of a sandbox in a cgroup of others: only its own cgroup is wrong, and the others' walls are not its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ground import Ground
from plant import Plant

from provisioner.linux.mounts import read_mounts
from provisioner.sandboxes.sandbox import Sandbox

Beside = Callable[[Ground, Sandbox], Callable[[], object]]
V1 = "/sys/fs/cgroup/pids"  # on v2 no process is in a cgroup that has others below it (cgroup-v2.rst)


def moved(place: Callable[[Ground], str]) -> Beside:
    """Return what moves the first process into another cgroup of the run, in each hierarchy that has it."""

    def start(ground: Ground, sandbox: Sandbox) -> Callable[[], object]:
        facts = sandbox.outside()
        assert facts is not None
        tops = [mount.target for mount in read_mounts() if mount.fstype.startswith("cgroup")]
        folders = [folder for top in tops if (folder := top / place(ground)).is_dir()]
        assert folders
        for folder in folders:
            Path(folder, "cgroup.procs").write_text(str(facts.process.pid))
        return lambda: None

    return start


def of_the_run(ground: Ground) -> str:
    """Return the cgroup below which all sandboxes of the run are."""
    return f"isolation-{ground.host.run.id}"


def of_the_peer(ground: Ground) -> str:
    """Return the peer's cgroup, in which the peer runs."""
    return f"isolation-{ground.host.run.id}/{ground.peer.name}"


PLANTS = (
    Plant(
        "moved to the cgroup above all sandboxes",
        ("runc",),
        {"ns.exec_parity": "another cgroup", "dev.cgroup": "devices.list of its cgroup"},
        beside=moved(of_the_run),
        needs=V1,
    ),
    Plant(
        "moved to its peer's cgroup",
        ("runc",),
        {"ns.exec_parity": "another cgroup"},
        beside=moved(of_the_peer),
        needs=V1,
    ),
)
