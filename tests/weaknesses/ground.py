"""What a live plant needs: the sandbox to plant, its peer, a folder, and things on the host that end with the plant.

In: the session's sandboxes.  Out: `Ground`.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from profiles import deny_list, docker_profile

from provisioner.connection.local import LocalConnection
from provisioner.deadlines import deadline
from provisioner.hosts.host import Host
from provisioner.linux.mounts import read_mounts
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.sandbox import Sandbox

BLOCK = 1 << 20


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
