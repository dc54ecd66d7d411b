"""The moments of the commands for one machine, in the order in which one home goes through them: `MOMENTS`.

In: a box of this host, which the home borrows.  A moment is known by the holder of the machine's lock, or by the
hypervisor's process.  Each moment says which commands must work after it; they make the machine ready for the next one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from faults.home import Home, provisioner
from faults.running import Running
from provisioner.machines.box.build import Box
from provisioner.machines.find import box_of
from provisioner.machines.lab import load_lab
from provisioner.paths import state_dir

NAME = "struck"
LAB = f"machines:\n  {NAME}: {{provider: qemu, memory: 512}}\n"
PATIENCE = 600.0  # seconds for a command that is not struck: a boot without KVM beside other ones


@dataclass(frozen=True)
class Moment:
    """
    A moment of a command for a machine.

    Args:
        name: what happens at it.
        words: the command that is struck.
        is_now: looks from outside whether the command is at it.
        works: commands that must work after it.
    """

    name: str
    words: tuple[str, ...]
    is_now: Callable[[Home, Running], object]
    works: tuple[tuple[str, ...], ...] = ()


def does(purpose: str) -> Callable[[Home, Running], bool]:
    """Return a look for what the holder of a lock of the machine does."""

    def is_now(home: Home, program: Running) -> bool:
        for file in home.path.glob("state/labs/*/**/*.holder"):
            with suppress(OSError):  # released meanwhile
                if purpose in file.read_text():
                    return True
        return False

    return is_now


def boots(home: Home, program: Running) -> bool:
    """Return whether the machine's hypervisor runs."""
    return any("qemu-system" in line for line in home.processes().values())


UP, DOWN = ("up", NAME), ("down", NAME)
SNAPSHOT, RESTORE, APPLY = ("snapshot", NAME, "mine"), ("restore", NAME, "mine"), ("apply", NAME)
ANSWERS = ("ssh", NAME, "--", "true")
MOMENTS = (
    Moment("up: wait for SSH", UP, boots),
    Moment("up: save a snapshot", UP, does("snapshot machine"), works=(UP, ANSWERS)),
    Moment("snapshot", SNAPSHOT, does("snapshot machine"), works=(SNAPSHOT, ANSWERS)),
    Moment("restore", RESTORE, does("restore machine"), works=(UP, RESTORE, ANSWERS)),
    Moment("apply", APPLY, does("apply the roles"), works=(APPLY,)),
    Moment("down", DOWN, does("stop machine"), works=(DOWN,)),
    Moment("up: restore", UP, does("restore machine"), works=(UP, ANSWERS, ("down", NAME, "--destroy"))),
)


def prepare(home: Home) -> Box | None:
    """Write the lab, and let the home use its box of this host; returns None if that is not built."""
    file = home.work / "lab.yaml"
    file.write_text(LAB)
    box = box_of(load_lab(file).machine(NAME), build=False)
    if box is not None:
        for part, folder in (("cache", box.directory), ("state", state_dir() / "boxes" / box.directory.name)):
            boxes = home.path / part / "boxes"
            boxes.mkdir(parents=True)
            boxes.parent.chmod(0o755 if part == "cache" else 0o711)
            (boxes / folder.name).symlink_to(folder)
    return box


def run(home: Home, words: tuple[str, ...]) -> None:
    """Run a command of the provisioner to its end; it must work."""
    argv = provisioner(*words)
    done = subprocess.run(
        argv, cwd=home.work, capture_output=True, text=True, timeout=PATIENCE, env=home.environment, check=False
    )
    assert done.returncode == 0, f"provisioner {' '.join(words)}: {done.stdout}{done.stderr}"
