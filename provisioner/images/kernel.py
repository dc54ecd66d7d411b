"""Finds the kernel that a micro VM boots.

In: a file that the user names, or nothing.  Out: the path of a kernel image.  A kernel in the cache is used without any
network; else apt downloads Debian's cloud kernel, of which only the image is unpacked.  Nothing is installed, and no
root is needed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tarfile
import threading
from pathlib import Path

from filelock import FileLock, Timeout

from provisioner.connection.local import run_command
from provisioner.errors import IsolationError
from provisioner.files.maker import mark, temporary_folder
from provisioner.images.apt import fetch_packages
from provisioner.paths import cache_dir
from provisioner.progress import step

HINT = "name one: --isolation-kernel=FILE"
DEBIAN_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
HEADER_BYTES = 0x210
LOCK_TIMEOUT = 300.0  # seconds to wait for another process's download
UNPACK_TIMEOUT = 120.0


def guest_kernel(explicit: Path | None = None) -> Path:
    """
    Return a kernel image that boots on this machine's architecture.

    Args:
        explicit: the user's kernel; None for the cached one, or else Debian's cloud kernel, which is fetched.

    Raises:
        IsolationError: the file is not a kernel, is for another machine, or no kernel can be fetched.
    """
    machine = platform.machine()
    if explicit is not None:
        check_kernel(explicit, machine)
        return explicit
    arch = DEBIAN_MACHINES.get(machine)
    if arch is None:
        raise IsolationError(f"cannot fetch a guest kernel: none is known for {machine}", hint=HINT)
    if found := _find_cached(arch):
        return found
    cache_dir().mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(cache_dir() / "kernel.lock", timeout=LOCK_TIMEOUT):
            return _find_cached(arch) or _fetch(arch, machine)
    except Timeout:
        raise IsolationError("cannot fetch a guest kernel: another process holds the lock", hint=HINT) from None


def find_kernel() -> Path | None:
    """Return the cached kernel, None if `guest_kernel` would have to fetch one."""
    arch = DEBIAN_MACHINES.get(platform.machine())
    return _find_cached(arch) if arch else None


def check_kernel(path: Path, machine: str) -> None:
    """Raise IsolationError unless the file is a readable kernel image for `machine` (a name of uname(2))."""
    try:
        with path.open("rb") as file:
            found = kernel_architecture(file.read(HEADER_BYTES))
    except OSError as error:
        raise IsolationError(f"cannot use kernel '{path}': {error.strerror}", hint=HINT) from None
    if found is None:
        raise IsolationError(f"cannot use kernel '{path}': neither a bzImage nor an arm64 Image", hint=HINT)
    if found != machine:
        raise IsolationError(f"cannot use kernel '{path}': built for {found}, this machine is {machine}", hint=HINT)


def kernel_architecture(header: bytes) -> str | None:
    """Return the machine from an image's first bytes (x86/boot.rst: HdrS; arm64/booting.rst: ARM\\x64)."""
    if header[0x202:0x206] == b"HdrS":
        return "x86_64"
    return "aarch64" if header[56:60] == b"ARM\x64" else None


def _find_cached(arch: str) -> Path | None:
    """Return the newest cached image; each was moved into place whole."""
    found = [path for path in cache_dir().glob(f"kernel-*-{arch}/vmlinuz") if path.is_file()]
    return max(found, key=lambda path: _version_key(path.parent.name), default=None)


def _version_key(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _fetch(arch: str, machine: str) -> Path:
    """Fetch the package of the current version, which the metapackage names, and keep only its image."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise IsolationError(f"cannot fetch a guest kernel: {tool} is not installed", hint=HINT)
    with step("fetch a guest kernel"), temporary_folder(cache_dir()) as folder:
        package = _read_dependency(_fetch_one(f"linux-image-cloud-{arch}", folder))
        deb = _fetch_one(package, folder)
        image = folder / "vmlinuz"
        _unpack_image(deb, image)
        check_kernel(image, machine)
        image.chmod(0o644)
        target = cache_dir() / f"kernel-{package.removeprefix('linux-image-')}"
        target.mkdir(mode=0o755, exist_ok=True)
        os.replace(image, target / "vmlinuz")
    return target / "vmlinuz"


def _fetch_one(package: str, folder: Path) -> Path:
    for path in fetch_packages([package], folder):
        if path.name.startswith(f"{package}_"):
            return path
    raise IsolationError(f"cannot fetch package '{package}': apt fetched another one", hint=HINT)


def _read_dependency(deb: Path) -> str:
    """Return the kernel package that a metapackage depends on: linux-image-6.1.0-56-cloud-amd64."""
    argv = ["dpkg-deb", "--field", str(deb), "Depends"]
    done = run_command(argv, 30)
    found = re.search(r"\blinux-image-\d[^\s,(|]*", done.stdout.decode("utf-8", "replace"))
    if found is None:
        log = done.stderr.decode("utf-8", "backslashreplace")[-2000:]
        raise IsolationError(f"cannot tell the kernel's package from '{deb.name}'", hint=HINT, log=log)
    return found[0]


def _unpack_image(deb: Path, out: Path) -> None:
    """Copy boot/vmlinuz-* out of a package while it is unpacked; the modules never reach the disk."""
    argv = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=os.environ | mark()
    ) as unpacker:
        alarm = threading.Timer(UNPACK_TIMEOUT, unpacker.kill)
        alarm.start()
        try:
            with tarfile.open(fileobj=unpacker.stdout, mode="r|") as tar:
                for member in tar:
                    if member.isreg() and re.fullmatch(r"(\./)?boot/vmlinuz-[^/]+", member.name):
                        source = tar.extractfile(member)
                        assert source is not None  # a regular file
                        with out.open("wb") as file:
                            shutil.copyfileobj(source, file)
                        return
        except tarfile.TarError as error:
            raise IsolationError(f"cannot unpack '{deb.name}': {error}", hint=HINT) from None
        finally:
            alarm.cancel()
            unpacker.kill()
    raise IsolationError(f"cannot unpack '{deb.name}': no kernel image in it", hint=HINT)
