"""Finds the shell for images that run commands: BusyBox, one static program with many names.

An installed static BusyBox is used; else apt downloads Debian's busybox-static, which is unpacked into the cache
without root.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from provisioner.connection.local import find_program, run_command
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.files.maker import temporary_folder
from provisioner.images.apt import fetch_packages, unpack_package
from provisioner.paths import cache_dir

PACKAGE = "busybox-static"
PT_INTERP = 3
HINT = f"apt-get install --no-install-recommends {PACKAGE}"


@dataclass(frozen=True)
class Shell:
    """
    A static BusyBox.

    Args:
        path: the program.
        applets: the commands that it implements, "sh" among them.
        hash: 12 hex digits over both.
    """

    path: Path
    applets: tuple[str, ...]
    hash: str


def find_shell() -> Shell:
    """
    Return a static BusyBox of this machine's architecture.

    Raises:
        IsolationError: none is installed and none can be fetched.
    """
    installed = find_program("busybox")
    if installed is not None and is_static(Path(installed)):
        return _read(Path(installed))
    kept = cache_dir() / "busybox"
    try:
        with FileLock(cache_dir() / "busybox.lock", timeout=deadline("box.tree")):
            if not kept.exists():
                _fetch(kept)
    except Timeout:
        raise IsolationError("cannot fetch a shell: another process holds the lock", hint=HINT) from None
    return _read(kept)


def is_static(path: Path) -> bool:
    """Tell whether an ELF64 program names no interpreter (elf(5)), so that it runs in an empty root."""
    try:
        data = path.read_bytes()
        if data[:6] != b"\x7fELF\x02\x01":
            return False
        start, size, count = (*struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54))[:3]
        types = [struct.unpack_from("<I", data, start + at * size)[0] for at in range(count)]
    except (OSError, struct.error):
        return False
    return PT_INTERP not in types


def _fetch(into: Path) -> None:
    with temporary_folder(cache_dir()) as folder:
        (deb,) = fetch_packages([PACKAGE], folder / "deb")
        unpack_package(deb, folder)
        found = next((path for path in folder.glob("**/bin/busybox") if is_static(path)), None)
        if found is None:
            raise IsolationError(f"cannot fetch a shell: {PACKAGE} contains no static busybox", hint=HINT)
        found.chmod(0o755)
        shutil.move(found, into)


def _read(path: Path) -> Shell:
    try:
        listed = run_command([str(path), "--list"], deadline("command")).stdout.decode("utf-8", "replace").split()
        digest = hashlib.sha256(path.read_bytes() + "\0".join(listed).encode()).hexdigest()[:12]
    except (OSError, IsolationError) as error:
        raise IsolationError(f"cannot use shell '{path}': {error}", hint=HINT) from None
    if "sh" not in listed:
        raise IsolationError(f"cannot use shell '{path}': it has no sh", hint=HINT)
    return Shell(path, tuple(sorted(name for name in listed if "/" not in name)), digest)
