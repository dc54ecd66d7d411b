"""What a live plant needs: the sandbox to plant, its peer, a folder, and things on the host that end with the plant.

In: the session's sandboxes.  Out: `Ground`, and the edits, profiles and argument lists that plants use.
"""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sound.filters import ALLOWED, REFUSED, WHOLE, rule

from provisioner.connection.local import LocalConnection
from provisioner.deadlines import deadline
from provisioner.hosts.host import Host
from provisioner.linux.mounts import read_mounts
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.sandbox import Sandbox
from pytest_isolation.walls.seccomp.tries import CALLS as TRIED

Edit = Callable[[dict[str, Any]], None]
BLOCK = 1 << 20

# Calls that only some of their arguments make dangerous, which a plant's filter allows with these.
IN_PART = ("clone(CLONE_NEWUSER)", "unshare(CLONE_NEWNET)", "socket(AF_VSOCK)", "personality(READ_IMPLIES_EXEC)")
# Calls that a plant's filter allows, one at a time: calls with a try, and calls that only the program shows.
CALLS = (*dict.fromkeys(TRIED.values()), "swapon", "iopl", "kexec_file_load", "keyctl", "process_madvise")
ALLOW = {"action": "SCMP_ACT_ALLOW"}
NAMESPACES = 0x7E020000  # CLONE_NEW* without CLONE_NEWTIME, as in docker's profile


@dataclass
class Ground:
    """
    The surroundings of one plant.

    Attributes:
        host, runtime: where, and with which runtime, the planted sandbox is made.
        make_peer: returns the sound sandbox beside it.
        folder: an empty folder of the test.
        undo: ends with the plant.
        changed: whether a setting of the machine was changed, so that the host must be observed again.
    """

    host: Host
    runtime: Runtime
    make_peer: Callable[[], Sandbox]
    folder: Path
    undo: ExitStack
    changed: bool = False

    @cached_property
    def peer(self) -> Sandbox:
        """The sound sandbox beside the planted one."""
        return self.make_peer()

    @property
    def peer_pid(self) -> int:
        """The peer's first process, by its number on the host."""
        facts = self.peer.outside()
        assert facts is not None
        return facts.process.pid

    def set_machine(self, argv: Sequence[str], back: Sequence[str]) -> None:
        """
        Change a setting of a machine of lab.yaml by a command, and undo it by another; never on this host.

        Args:
            argv: the command.
            back: the command that undoes it.
        """
        assert not isinstance(self.host.connection, LocalConnection), "no plant changes a setting of this machine"
        self.undo.callback(self._on_machine, back)
        self._on_machine(argv)
        self.changed = True

    def _on_machine(self, argv: Sequence[str]) -> None:
        done = self.host.connection.run(argv, deadline("command"))
        assert done.status == 0, f"{' '.join(argv)}: {done.last_words}"

    def file(self, name: str, text: str = "innocent\n") -> Path:
        """Make a file in the test's folder."""
        path = self.folder / name
        path.write_text(text)
        return path

    def directory(self, name: str, *files: str) -> Path:
        """Make a folder in the test's folder, with files in it."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        for file in files:
            (path / file).write_text("innocent\n")
        return path

    def deny_list(self) -> Path:
        """Write a seccomp profile that refuses the same calls, and allows by default."""
        return self.file("seccomp-deny-list.json", json.dumps(deny_list()))

    def profile(self, allowed: str = "", errno: int = 1) -> Path:
        """Write a seccomp profile that refuses every call that docker's refuses, except `allowed`."""
        return self.file(f"seccomp-{allowed}-{errno}.json", json.dumps(docker_profile(allowed, errno)))

    def loop_device(self) -> str:
        """Attach a loop device to an empty file; the end of the plant detaches it."""
        image = self.folder / "disk.img"
        image.write_bytes(bytes(BLOCK))
        device = run("losetup", "--find", "--show", str(image))
        self.undo.callback(run, "losetup", "--detach", device)
        return device

    def shared_folder(self) -> Path:
        """Bind a folder of the test to itself as a shared mount; the end of the plant unmounts it."""
        path = self.directory("shared")
        run("mount", "--bind", str(path), str(path))
        self.undo.callback(run, "umount", str(path))
        run("mount", "--make-shared", str(path))
        return path

    def unix_socket(self, name: str, answer: bytes = b"", folder: Path | None = None) -> Path:
        """Listen on a unix socket; a client that writes gets `answer`."""
        path = (folder or self.folder) / name
        listener = self.undo.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(path))
        self.undo.callback(path.unlink)
        listener.listen(4)
        self.undo.callback(listener.shutdown, socket.SHUT_RDWR)  # ends the thread's accept
        threading.Thread(target=_serve, args=(listener, answer), daemon=True).start()
        return path

    def listen(self, port: int) -> None:
        """Listen on a port of another loopback address, and answer nothing."""
        listener = self.undo.enter_context(socket.socket(socket.AF_INET))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.5", port))
        listener.listen(1)

    def sub_cgroup(self, sandbox: Sandbox, controller: str, name: str) -> None:
        """Make a cgroup below the sandbox's own in one v1 hierarchy; the end of the plant removes it."""
        facts = sandbox.outside()
        assert facts is not None
        line = next(line for line in facts.process.cgroups if controller in line.controllers)
        mount = next(m for m in read_mounts() if m.fstype == "cgroup" and controller in m.target.name.split(","))
        path = mount.target / line.path.lstrip("/") / name
        path.mkdir()
        self.undo.callback(_remove, path)


def _serve(listener: socket.socket, answer: bytes) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.settimeout(2)
                connection.recv(4096)
                connection.sendall(answer)


def _remove(cgroup: Path) -> None:
    with suppress(FileNotFoundError):  # most runtimes remove it with the sandbox's own
        cgroup.rmdir()


def run(*argv: str) -> str:
    """Run a command that must succeed; return its output."""
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=300).stdout.strip()


def docker_profile(allowed: str = "", errno: int = 1) -> dict[str, Any]:
    """
    Return a docker profile, an allow list without the dangerous calls, except `allowed` (errno 1 is EPERM, 38 ENOSYS).

    Calls that it does not know answer ENOSYS.
    It covers the machine's own numbers; libseccomp kills callers by other ABIs.

    Args:
        allowed: a call, or one with arguments as reports name it: "clone(CLONE_NEWUSER)".
        errno: what the dangerous calls answer.
    """
    rules: list[dict[str, Any]] = [{"names": sorted(ALLOWED - {"socketcall"}), **ALLOW}, *_allowed_in_part()]
    if allowed:
        rules.append({"names": [allowed.partition("(")[0]], "args": _compared(allowed), **ALLOW})
    names = [name for name in refused() if name != allowed.partition("(")[0]]
    rules.append({"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno})
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": rules}


def deny_list() -> dict[str, Any]:
    """Return a docker profile that refuses every dangerous call and allows by default."""
    deny = {"action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    in_part = [one.label for one in REFUSED if one.call not in WHOLE] + ["socket(NETLINK_AUDIT)"]
    rules = [{"names": [label.partition("(")[0]], "args": _compared(label), **deny} for label in in_part]
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": refused(), **deny}, *rules]}


def _allowed_in_part() -> list[dict[str, Any]]:
    """Return the rules of clone, personality and socket, which docker allows with some arguments."""
    found: list[tuple[str, list[dict[str, Any]]]] = [("clone", [_compare(0, NAMESPACES, "SCMP_CMP_MASKED_EQ")])]
    found += [("personality", [_compare(0, value)]) for value in (0, 8)]
    families = ((16, "SCMP_CMP_LT"), *((family, "SCMP_CMP_EQ") for family in (*range(17, 38), 39)), (40, "SCMP_CMP_GT"))
    found += [("socket", [_compare(0, family, how)]) for family, how in families]
    found.append(("socket", [_compare(0, 16), _compare(2, 9, "SCMP_CMP_NE")]))
    return [{"names": [call], "args": args, **ALLOW} for call, args in found]


def _compared(label: str) -> list[dict[str, Any]]:
    """Return the comparisons that a rule about one label of a question makes; none for a whole call."""
    _, _, arguments = (rule(label) if "(" in label else label).partition(":")
    found = []
    for one in arguments.split(",") if arguments else ():
        index, value = (int(part, 0) for part in one.replace("&", "=").split("="))
        compare = _compare(index, value, "SCMP_CMP_MASKED_EQ" if "&" in one else "SCMP_CMP_EQ")
        found.append({**compare, "valueTwo": value if "&" in one else 0})
    return found


def refused() -> list[str]:
    """Return the calls that a profile refuses whatever their arguments."""
    return sorted(WHOLE)


def _compare(index: int, value: int, how: str = "SCMP_CMP_EQ") -> dict[str, Any]:
    return {"index": index, "value": value, "valueTwo": 0, "op": how}


# --- edits of an OCI config.json


def put(dotted: str, value: Any) -> Edit:
    """Return the edit that sets a key of nested maps."""

    def edit(config: dict[str, Any]) -> None:
        *folders, last = dotted.split(".")
        for folder in folders:
            config = config.setdefault(folder, {})
        config[last] = value

    return edit


def append(dotted: str, *items: Any) -> Edit:
    """Return the edit that appends to a list of nested maps."""

    def edit(config: dict[str, Any]) -> None:
        *folders, last = dotted.split(".")
        for folder in folders:
            config = config.setdefault(folder, {})
        config.setdefault(last, []).extend(items)

    return edit


def remove(dotted: str, *items: str) -> Edit:
    """Return the edit that removes strings from a list of nested maps."""

    def edit(config: dict[str, Any]) -> None:
        *folders, last = dotted.split(".")
        for folder in folders:
            config = config[folder]
        for item in items:
            config[last].remove(item)

    return edit


def drop_namespace(kind: str) -> Edit:
    """Return the edit that leaves the sandbox in the host's namespace of that kind."""

    def edit(config: dict[str, Any]) -> None:
        config["linux"]["namespaces"] = [ns for ns in config["linux"]["namespaces"] if ns["type"] != kind]

    return edit


def join_namespace(kind: str, path: str) -> Edit:
    """Return the edit that puts the sandbox into an existing namespace."""

    def edit(config: dict[str, Any]) -> None:
        drop_namespace(kind)(config)
        config["linux"]["namespaces"].append({"type": kind, "path": path})

    return edit


def mount_option(target: str, remove: str = "", add: str = "") -> Edit:
    """Return the edit that changes the options of the mount at `target`."""

    def edit(config: dict[str, Any]) -> None:
        mount = next(mount for mount in config["mounts"] if mount["destination"] == target)
        mount["options"] = [one for one in mount["options"] if one != remove] + ([add] if add else [])

    return edit


def bind(source: Path | str, target: str, *options: str) -> Edit:
    """Return the edit that adds a bind mount."""
    mount = {"destination": target, "type": "bind", "source": str(source), "options": ["bind", *options]}
    return append("mounts", mount)


def grant(*sets: str, names: Sequence[str]) -> Edit:
    """Return the edit that adds capabilities to these sets."""

    def edit(config: dict[str, Any]) -> None:
        for set_ in sets:
            config["process"]["capabilities"].setdefault(set_, []).extend(f"CAP_{name}" for name in names)

    return edit


def revoke(*names: str) -> Edit:
    """Return the edit that removes capabilities from all sets."""

    def edit(config: dict[str, Any]) -> None:
        for held in config["process"]["capabilities"].values():
            held[:] = [one for one in held if one.removeprefix("CAP_") not in names]

    return edit


# --- argument lists of runtime.yaml


def without(argv: Sequence[str], *words: str) -> list[str]:
    """Return the argument list without these words."""
    missing = [word for word in words if word not in argv]
    assert not missing, f"{missing} are not in the runtime's create"
    return [word for word in argv if word not in words]


def replaced(argv: Sequence[str], old: str, new: str) -> list[str]:
    """Return the argument list with one word replaced."""
    assert old in argv, f"{old} is not in the runtime's create"
    return [new if word == old else word for word in argv]


def with_descriptor(argv: Sequence[str], path: Path) -> list[str]:
    """Return the argument list with descriptor 3 open on `path`."""
    return ["sh", "-c", 'path=$1; shift; exec "$@" 3<"$path"', "sh", str(path), *argv]


def with_filters(argv: Sequence[str], *programs: bytes, listener: int = 0) -> list[str]:
    """Return the argument list under these filters; the listener of the last one is descriptor `listener`, if any."""
    script = str(Path(__file__).with_name("with_filters.py"))
    words = [base64.b64encode(program).decode() for program in programs]
    return [sys.executable, "-I", script, str(listener), *words, "--", *argv]


def as_root(argv: Sequence[str]) -> list[str]:
    """Return the argument list without the words that switch to an unprivileged user."""
    return [word for word in argv if "--uid" not in word]


# --- an exec that is not the runtime's own


def nsenter(ground: Ground, sandbox: Sandbox) -> list[str]:
    """Return an exec that joins only the namespaces, and no other wall."""
    facts = sandbox.outside()
    assert facts is not None
    return ["nsenter", "--target", str(facts.process.pid), "--all", "--root", "--", "{{ argv }}"]


def exec_with(*more: str) -> Callable[[Ground, Sandbox], list[str]]:
    """Return the runtime's own exec with further flags."""

    def make(ground: Ground, sandbox: Sandbox) -> list[str]:
        argv = list(ground.runtime.exec or ())
        at = argv.index("exec") + 1
        return [*argv[:at], *more, *argv[at:]]

    return make
