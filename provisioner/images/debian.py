"""Makes an image with Debian's userland: python3, ps, getent, dpkg, ip, ping, nc and service run in it.

In: the probe.  Out: an archive, a root folder or an initramfs.  The userland is built once by mmdebstrap and kept in
the cache as a tar.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import tarfile
from pathlib import Path

from filelock import FileLock, Timeout

from provisioner.connection.local import find_program, run_command
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError, unless_root
from provisioner.files.atomic import replace_folder
from provisioner.files.maker import temporary_folder
from provisioner.images import image as images
from provisioner.images.mmdebstrap import run_mmdebstrap
from provisioner.paths import cache_dir
from provisioner.progress import step

SUITE = "bookworm"
PACKAGES = (
    *("init-system-helpers", "iproute2", "iputils-ping", "netcat-openbsd", "procps", "python3-minimal"),
    *("libcap2-bin", "util-linux"),
)
OPTIONS = (
    "--format=tar",
    "--skip=output/dev",  # an engine without root makes no device nodes
    *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "info", "locale", "man")),
)
WHAT = "the image 'debian'"
MEMORY = 1 << 30  # bytes of a guest's memory: its root is a file system in memory, which may take half of it


def debian_tar() -> Path:
    """
    Return the tar of the userland; build it if there is none.

    Raises:
        IsolationError: mmdebstrap, a mirror, a package or space is missing.
    """
    path = cache_dir() / f"debian-{_hash()}.tar"
    if path.exists():
        return path
    if find_program("mmdebstrap") is None:
        raise IsolationError(
            f"cannot build {WHAT}: mmdebstrap is not installed", "apt-get install --no-install-recommends mmdebstrap"
        )
    lock = FileLock(cache_dir() / "debian.lock")
    try:
        with lock.acquire(timeout=deadline("box.tree")):
            if not path.exists():
                with temporary_folder(cache_dir()) as folder, step(f"build Debian {SUITE} as an image, once"):
                    made = folder / path.name
                    _build(made)
                    made.chmod(0o644)
                    os.replace(made, path)
    except Timeout:
        raise IsolationError(f"cannot build {WHAT}: another process holds its lock", "try again later") from None
    return path


def _build(out: Path) -> None:
    try:
        run_mmdebstrap(out, SUITE, PACKAGES, WHAT, OPTIONS)
    except IsolationError as error:
        hint = unless_root("run it once as root, or install uidmap and give this user subordinate ids", error.hint)
        raise IsolationError(error.what, hint, error.log) from None


def _hash() -> str:
    words = (platform.machine(), SUITE, *PACKAGES, *OPTIONS)
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]


def debian_archive(probe: Path, ref: str) -> bytes:
    """
    Return a docker-archive tar with Debian's userland and the probe.

    Args:
        probe: the executable; it becomes /probe.
        ref: the image's name with its tag.
    """
    return images.archive(probe, ref, below=debian_tar().read_bytes())


def debian_rootfs(probe: Path, name: str) -> Path:
    """
    Return a root folder with Debian's userland and the probe; all runs share it.

    Args:
        probe: the executable; it becomes /probe.
        name: a name that is different for each probe.

    Raises:
        IsolationError: it cannot be made.
    """
    out = cache_dir() / f"rootfs-debian-{_hash()}-{name}"
    if images.is_rootfs(out, probe):
        return out
    with temporary_folder(cache_dir()) as folder, step("unpack Debian"):
        made = folder / "root"
        made.mkdir()
        done = run_command(["tar", "-x", "-p", "--numeric-owner", "-f", str(debian_tar()), "-C", str(made)], 600)
        if done.status != 0:
            raise IsolationError(f"cannot unpack {WHAT}: {done.last_words}")
        for part, mode in images.FOLDERS.items():
            (made / part).mkdir(exist_ok=True)
            (made / part).chmod(mode)
        shutil.copyfile(probe, made / "probe")
        (made / "probe").chmod(0o755)
        made.chmod(0o755)
        try:
            replace_folder(made, out)
        except OSError:
            if not images.is_rootfs(out, probe):  # else another process made it first
                raise
    return out


def debian_initramfs(probe: Path, name: str) -> Path:
    """
    Return an initramfs with Debian's userland, which the probe starts as init; all runs share it.

    Its files belong to root, whoever owns them in Debian.

    Args:
        probe: the executable; it becomes /init.
        name: a name that is different for each probe.
    """
    out = cache_dir() / f"initramfs-debian-{_hash()}-{name}.cpio"
    if out.exists():
        return out
    entries: dict[str, images.Entry] = {}
    with tarfile.open(debian_tar()) as tar, step("pack Debian for a guest"):
        for member in tar:
            path = member.name.removeprefix("./").rstrip("/")
            if not path or path == "." or not (member.isdir() or member.isreg() or member.issym() or member.islnk()):
                continue
            entries[path] = _entry(tar, member, path)
    entries.pop("init", None)
    images.write_initramfs(probe, out, [entry for path, entry in entries.items() if path not in images.FOLDERS])
    return out


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> images.Entry:
    mode = stat.S_IMODE(member.mode)
    if member.isdir():
        return path, stat.S_IFDIR | mode, 0, 0, b""
    if member.issym():
        return path, stat.S_IFLNK | 0o777, 0, 0, os.fsencode(member.linkname)
    file = tar.extractfile(member)  # of a hard link: the file that it is
    return path, stat.S_IFREG | mode, 0, 0, file.read() if file else b""
