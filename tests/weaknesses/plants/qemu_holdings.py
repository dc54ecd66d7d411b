"""Plants for a micro VM: files, pipes, sockets and services on the hypervisor's side of the host."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ground import Ground
from plant import Plant, flags

from plants.qemu import for_hypervisor

QEMU = ("qemu",)
LOOP_CONTROL = os.makedev(10, 237)  # opening it does nothing (drivers/block/loop.c)
Make = Callable[[Ground], Mapping[str, Any]]


def _folder(ground: Ground, mode: int = 0o755) -> Path:
    return for_hypervisor(ground.directory("host"), mode)


def _memory(mode: int) -> Make:
    """Return a Spec whose guest's memory is a file that QEMU makes, for all to read by its usual umask."""

    def make(ground: Ground) -> Mapping[str, Any]:
        path = _folder(ground, mode) / "ram"
        backend = f"memory-backend-file,id=ram,size=256M,share=on,mem-path={path}"
        return flags("-object", backend, "-machine", "memory-backend=ram")

    return make


def _attached(path: Path) -> Mapping[str, Any]:
    """Return a Spec with a disk at the declared SATA controller: without a device QEMU opens it only to read."""
    return flags("-drive", f"file={path},format=raw,if=none,id=own,file.locking=off", "-device", "ide-hd,drive=own")


def _disk(mode: int) -> Make:
    return lambda ground: _attached(for_hypervisor(ground.file("guest.img", "\0" * 4096), mode))


def _base(mode: int) -> Make:
    """Return a Spec with a disk of this mode that QEMU only reads, and which no device shows to the guest."""

    def make(ground: Ground) -> Mapping[str, Any]:
        path = for_hypervisor(ground.file("guest.img", "\0" * 4096), mode)
        return flags("-drive", f"file={path},format=raw,if=none,id=own,file.locking=off,readonly=on")

    return make


def _another_users_disk(ground: Ground) -> Mapping[str, Any]:
    path = ground.file("guest.img", "\0" * 4096)
    gid = str(ground.host.values(ground.runtime)["kvm_gid"])  # the hypervisor's group
    os.chown(path, 4242, int(gid))
    path.chmod(0o660)
    return _attached(path)


def _log(ground: Ground) -> Mapping[str, Any]:
    return flags("-chardev", f"file,id=log,path={_folder(ground)}/log", "-serial", "chardev:log")


def _pipe(ground: Ground) -> Mapping[str, Any]:
    folder = _folder(ground)
    for end in ("in", "out"):
        os.mkfifo(folder / f"door.{end}")
        for_hypervisor(folder / f"door.{end}", 0o666)
    return flags("-chardev", f"pipe,id=door,path={folder}/door", "-serial", "chardev:door")


def _socket(ground: Ground) -> Mapping[str, Any]:
    return flags(
        *("-chardev", f"socket,id=door,path={_folder(ground)}/serial.sock,server=on,wait=off"),
        *("-serial", "chardev:door"),
    )


def _for_everybody(ground: Ground) -> Mapping[str, Any]:
    return {"create": ["sh", "-c", 'umask 0; exec "$@"', "sh", *ground.runtime.create]}


def _accept(listener: socket.socket, accepted: list[socket.socket]) -> None:
    """Accept connections, and keep them open."""
    with suppress(OSError):
        while True:
            accepted.append(listener.accept()[0])


def _service(ground: Ground) -> Mapping[str, Any]:
    """Return a Spec whose guest's serial port is connected to a service that this test starts."""
    path = _folder(ground) / "engine.sock"
    listener = ground.undo.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(path))
    listener.listen()
    path.chmod(0o666)
    accepted: list[socket.socket] = []
    ground.undo.callback(lambda: [one.close() for one in accepted])
    ground.undo.callback(listener.shutdown, socket.SHUT_RDWR)  # ends the thread's accept
    threading.Thread(target=_accept, args=(listener, accepted), daemon=True).start()
    return flags("-chardev", f"socket,id=door,path={path}", "-serial", "chardev:door")


def _device(ground: Ground) -> Mapping[str, Any]:
    path = _folder(ground) / "entropy"
    os.mknod(path, 0o020666, LOOP_CONTROL)
    path.chmod(0o666)
    return flags("-object", f"rng-random,id=entropy,filename={path}")


PLANTS = (
    Plant(
        "memory in a file that all read",
        QEMU,
        {"vm.host_files": "/host/ram, which every user of the host may read (mode 0644)"},
        spec=_memory(0o755),
    ),
    Plant(
        "a disk that all read",
        QEMU,
        {"vm.host_files": "/guest.img, which every user of the host may read (mode 0644)"},
        spec=_disk(0o644),
    ),
    Plant(
        "a base image that all write",
        QEMU,
        {"vm.host_files": "/guest.img, which every user of the host may write (mode 0666)"},
        spec=_base(0o666),
    ),
    Plant(
        "another user's disk", QEMU, {"vm.host_files": "another user of the host (uid 4242"}, spec=_another_users_disk
    ),
    Plant("a log that all read", QEMU, {"vm.host_files": "the file"}, spec=_log),
    Plant("a named pipe for all", QEMU, {"vm.host_files": "it uses the named pipe"}, spec=_pipe),
    Plant(
        "a serial port's socket for all",
        QEMU,
        {"vm.host_sockets": "/host/serial.sock"},
        spec=_socket,
        overlay=_for_everybody,
    ),
    Plant(
        "a monitor on a port of loopback",
        QEMU,
        {"vm.host_sockets": "port 127.0.0.1:4444"},
        spec=flags("-monitor", "tcp:127.0.0.1:4444,server=on,wait=off"),
    ),
    Plant(
        "a debugger's port", QEMU, {"vm.host_sockets": "port 127.0.0.1:1234"}, spec=flags("-gdb", "tcp:127.0.0.1:1234")
    ),
    Plant(
        "a serial port that leads to a service",
        QEMU,
        {"vm.host_channels": "/host/engine.sock, where python"},
        spec=_service,
    ),
    Plant("a device under another name", QEMU, {"vm.process": "/host/entropy open"}, spec=_device),
    Plant("memory in a file in a closed folder", QEMU, spec=_memory(0o700)),
    Plant("a disk for its own user", QEMU, spec=_disk(0o600)),
    Plant("a base image that all read", QEMU, spec=_base(0o644)),
    Plant("a pseudoterminal of its own", QEMU, spec=flags("-chardev", "pty,id=door", "-serial", "chardev:door")),
)
