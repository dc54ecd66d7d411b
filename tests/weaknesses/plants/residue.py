"""Plants: a process of a sandbox outlives it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from fakes import wait_for
from ground import Ground
from plant import Plant

from provisioner.sandboxes.sandbox import Sandbox

RUNTIMES = ("runc", "crun", "docker", "podman", "lxc", "unshare")
SECONDS = "60"


def process_in(*kinds: str) -> Callable[[Ground, Sandbox], None]:
    """Return what starts a process of the test's own in namespaces of the sandbox; it ends with the plant."""

    def leave(ground: Ground, sandbox: Sandbox) -> None:
        facts = sandbox.outside()
        assert facts is not None
        argv = ["nsenter", f"--target={facts.process.pid}", *(f"--{kind}" for kind in kinds), "sleep", SECONDS]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        ground.undo.callback(process.wait, 10)
        ground.undo.callback(process.kill)
        wait_for(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n")  # it has entered

    return leave


def process_outside(ground: Ground, sandbox: Sandbox) -> None:
    """Start a process that has nothing of the sandbox's."""
    process = subprocess.Popen(["sleep", SECONDS], stdin=subprocess.DEVNULL)
    ground.undo.callback(process.wait, 10)
    ground.undo.callback(process.kill)


PLANTS = (
    Plant("a process in its network", RUNTIMES, {"run.no_residue": "in its net namespace"}, leave=process_in("net")),
    Plant("a process beside it", RUNTIMES, leave=process_outside),
)
