"""What a journal says of one thing: how it is undone.

An entry names a kind of thing (a path, a process, …), a command that deletes it, or a verb of cli/undo.py.
A verb is part of the file format: a journal may be undone by a later version, in which the code stands elsewhere.
Journals of versions without verbs name a module of the package instead, and have kinds for canaries; `UndoEntry.load`
translates them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from provisioner.connection.address import load_address
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


MAX_WORD = 1 << 17  # bytes: MAX_ARG_STRLEN, execve(2)
MAX_WORDS = 4096
MAX_PATH, MAX_NAME = 4096, 255  # bytes: PATH_MAX with its NUL, NAME_MAX; a longer path cannot exist
_ARGUMENTS = {  # of each verb, the fewest and the most
    "end-process": (1, 1),
    "stop-machine": (2, 2),
    "reset-libvirt-machine": (3, 3),
    "reset-vagrant-machine": (4, 4),
    "delete-canaries": (2, 2),
    "run-over-ssh": (3, MAX_WORDS),
}
MAX_NUMBER = 1 << 63
BOOT = re.compile(r"[0-9a-z-]{1,64}")


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

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"unknown kind '{self.kind}'")
        if not 1 <= len(self.values) <= MAX_WORDS:
            raise ValueError("too few or too many values")
        for word in (*self.values, *(word for pair in self.env for word in pair)):
            _check_word(word)
        _CHECKS.get(self.kind, _check_path)(self)
        if any(not name or "=" in name for name, _ in self.env):
            raise ValueError("a variable without a name")

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
            ValueError: it is not an entry.
        """
        number, kind, values, env = entry.get("made"), entry.get("kind"), entry.get("values"), entry.get("env", {})
        if not isinstance(kind, str) or not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise ValueError("its kind or its values are no text")
        if not values:
            raise ValueError("no values")
        if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
            raise ValueError("its variables are no text")
        number = read_number(number)
        if verb := _verb_of_old(kind, values):
            return cls(number, "verb", verb)
        process = read_process_of(entry, values[0]) if kind == "process" else None
        return cls(number, kind, tuple(values), tuple(env.items()), process)  # type: ignore[arg-type]  # checked below

    def outlives_boot(self) -> bool:
        """Tell whether the thing can still exist after a reboot."""
        if self.kind == "process":
            return True  # its boot is a part of its identity
        in_memory = self.values[:1] == ("delete-canaries",)  # shared memory and queues end with the kernel
        return self.kind in ("command", "path") or (self.kind == "verb" and not in_memory)


def read_number(value: object) -> int:
    """Return a number of a journal; ValueError unless it is one from 0 to 2^63."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_NUMBER:
        raise ValueError("a number is wrong")
    return value


def read_process_of(document: Mapping[str, Any], pid: object) -> Process:
    """
    Return the identity of a process.

    Args:
        document: an object with the keys "start" and "boot".
        pid: its pid, as a number or its digits.

    Raises:
        ValueError: a part is missing or wrong.
    """
    if isinstance(pid, str) and re.fullmatch(r"[0-9]{1,10}", pid):
        pid = int(pid)
    boot = document.get("boot")
    if not isinstance(boot, str) or not BOOT.fullmatch(boot):
        raise ValueError("a boot id is wrong")
    return Process(read_number(pid), read_number(document.get("start")), boot)


def _check_word(word: str) -> None:
    """Raise ValueError unless a text can be an argument of execve(2) and a part of a path."""
    try:
        data = os.fsencode(word)
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        raise ValueError("a text cannot be encoded") from None
    if b"\0" in data:
        raise ValueError("a text holds NUL")
    if len(data) >= MAX_WORD:
        raise ValueError("a text is too long")


def _check_command(entry: UndoEntry) -> None:
    if not entry.values[0]:
        raise ValueError("a command without a program")


def _check_verb(entry: UndoEntry) -> None:
    verb, *arguments = entry.values
    if verb not in get_args(Verb):
        raise ValueError(f"unknown verb '{verb}'")
    fewest, most = _ARGUMENTS[verb]
    if not fewest <= len(arguments) <= most:
        raise ValueError(f"wrong number of arguments for '{verb}'")
    if verb == "run-over-ssh":
        load_address(arguments[0])
    elif verb == "delete-canaries":
        _check_canaries(*arguments)
    else:
        _check_absolute(arguments[0])
    if verb.startswith("reset-") and arguments[-1] not in ("halted", "absent"):
        raise ValueError(f"'{arguments[-1]}' is no status of a machine")


def _check_canaries(key: str, name: str) -> None:
    if not re.fullmatch(r"[0-9]{1,10}", key) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ValueError("not the key and the name of canaries")


def _check_process(entry: UndoEntry) -> None:
    if len(entry.values) != 1 or entry.process is None or entry.values[0] != str(entry.process.pid):
        raise ValueError("a process without its identity")
    if entry.process.pid <= 1:
        raise ValueError("not a process that a run starts")


def _check_netns(entry: UndoEntry) -> None:
    if len(entry.values) != 1 or not entry.values[0] or "/" in entry.values[0] or entry.values[0] in (".", ".."):
        raise ValueError("not a name of a namespace")


def _check_path(entry: UndoEntry) -> None:
    if len(entry.values) != 1:
        raise ValueError("not one path")
    _check_absolute(entry.values[0])


def _check_absolute(text: str) -> None:
    path = Path(text)
    if not path.is_absolute() or ".." in path.parts or len(path.parts) < 2:
        raise ValueError("not an absolute path")
    if len(os.fsencode(text)) >= MAX_PATH or any(len(os.fsencode(part)) > MAX_NAME for part in path.parts):
        raise ValueError("a path is too long")


_CHECKS = {"command": _check_command, "verb": _check_verb, "process": _check_process, "netns": _check_netns}


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
