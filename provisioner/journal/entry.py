"""What a journal says of one thing: how it is undone.

An entry names a kind of thing (a path, a process, …), a command that deletes it, or a verb of cli/undo.py.
A verb is part of the file format: a journal may be undone by a later version, in which the code stands elsewhere.
Journals of versions without verbs name a module of the package instead, and have kinds for canaries; `UndoEntry.load`
translates them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from provisioner.linux.processes import Process

Kind = Literal["command", "verb", "cgroup", "path", "process", "netns", "mount"]
Verb = Literal[
    "end-process",  # FILE: an identity file
    "stop-machine",  # LAB-FILE NAME
    "reset-libvirt-machine",  # LAB-FOLDER NAME halted|absent
    "reset-vagrant-machine",  # LAB-FOLDER NAME HYPERVISOR halted|absent
    "delete-canaries",  # KEY|0 NAME|-: a shared memory segment, a message queue
    "run-over-ssh",  # ADDRESS NAME ARGV...
]


@dataclass(frozen=True)
class UndoEntry:
    """
    How one thing is undone.

    Args:
        number: its place in the journal, from 1.
        kind: the kind of thing.
        values: an argument list, a verb with its arguments, or one path, name or pid.
        env: variables that a command needs beside the environment's.
        process: the identity of a pid.
    """

    number: int
    kind: Kind
    values: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    process: Process | None = None

    def dump(self) -> dict[str, Any]:
        """Return the JSON object of the journal's line."""
        entry: dict[str, Any] = {"made": self.number, "kind": self.kind, "values": list(self.values)}
        if self.env:
            entry["env"] = dict(self.env)
        if self.process:
            entry["start"], entry["boot"] = self.process.start, self.process.boot
        return entry

    @classmethod
    def load(cls, entry: Mapping[str, Any]) -> Self:
        """
        Read the JSON object of a journal's line.

        Raises:
            KeyError, TypeError, ValueError: it is not an entry.
        """
        number, kind, values = int(entry["made"]), entry["kind"], tuple(str(value) for value in entry["values"])
        if verb := _verb_of_old(kind, values):
            return cls(number, "verb", verb)
        process = Process(int(values[0]), int(entry["start"]), str(entry["boot"])) if "start" in entry else None
        env = tuple((str(name), str(value)) for name, value in entry.get("env", {}).items())
        return cls(number, kind, values, env, process)

    def outlives_boot(self) -> bool:
        """Tell whether the thing can still exist after a reboot."""
        in_memory = self.values[:1] == ("delete-canaries",)  # shared memory and queues end with the kernel
        return self.kind in ("command", "path") or (self.kind == "verb" and not in_memory)


def _verb_of_old(kind: str, values: Sequence[str]) -> tuple[str, ...]:
    """Return the verb and the arguments for an entry of a journal without verbs; nothing if it has no verb now."""
    if kind == "shm":
        return "delete-canaries", values[0], "-"
    if kind == "mqueue":
        return "delete-canaries", "0", values[0]
    match list(values[1:]) if kind == "command" else []:
        case ["-m", "provisioner.machines.detached", file]:
            return "end-process", file
        case ["-m", "provisioner.machines.vmm", folder]:
            return "end-process", f"{folder}/vmm.pid"
        case ["-m", "provisioner.machines.stop", lab_file, name]:
            return "stop-machine", lab_file, name
        case ["-m", "provisioner.machines.domain", lab, name, state]:
            return "reset-libvirt-machine", lab, name, state
        case ["-m", "provisioner.machines.vagrant_elsewhere", lab, name, hypervisor, state]:
            return "reset-vagrant-machine", lab, name, hypervisor, state
        case ["-m", "provisioner.ssh_undo", address, name, "--", *command]:
            return "run-over-ssh", address, name, *command
    return ()
