"""Builds the probe for this machine, or finds it in the cache.

In: the C sources in the folders beside this file, and the environment variable PYTEST_ISOLATION_CC.
Out: a `BuiltProbe` in the cache, checked against its stored checksum, or one IsolationError.
A binary from a wheel is used if it was built from exactly these sources.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from provisioner.errors import IsolationError
from provisioner.faults.explain import ELSEWHERE, failed
from provisioner.files.atomic import write_whole
from provisioner.files.folder import Folder
from provisioner.files.maker import temporary_folder
from provisioner.paths import cache_dir
from provisioner.probe.compilers import COMPILERS, FLAGS, HARDENING, Progress, compile_static, quiet

SOURCES = Path(__file__).parent
DEFINITIONS = ("-D_GNU_SOURCE",)
CHOICE = "PYTEST_ISOLATION_CC"
LOCK_TIMEOUT = 900.0
MOST = 64 << 20  # bytes of a probe


@dataclass(frozen=True)
class BuiltProbe:
    """
    A probe that runs on this machine.

    Args:
        path: the static executable, mode 0755, in a folder that every user may search.
        hash: of its sources, flags and target; the hello frame of the probe contains it.
        compiler: the compiler's name: "musl-gcc", "cc", "zig" or "tcc"; "prebuilt" if it comes from a wheel.
    """

    path: Path
    hash: str
    compiler: str


def probe_binary(progress: Progress | None = None, fetch: bool = True) -> BuiltProbe:
    """
    Return the probe for this machine; build it if the cache does not have it.

    Args:
        progress: receives one line for each compiler that is tried.
        fetch: whether a compiler may be downloaded if none is installed.

    Raises:
        IsolationError: no compiler works, or the one that PYTEST_ISOLATION_CC names does not.

    Example:
        >>> probe_binary().path.name
        'probe'
    """
    say = progress or quiet
    chosen = os.environ.get(CHOICE, "")
    if chosen and chosen not in COMPILERS:
        raise IsolationError(f"cannot use compiler '{chosen}'", hint=f"{CHOICE} is one of {', '.join(COMPILERS)}")
    wanted = source_hash(chosen)
    folder = cache_dir() / f"probe-{wanted}"
    found = _read_cached(folder, wanted)
    if found:
        return found
    try:
        with FileLock(cache_dir() / "probe.lock", timeout=LOCK_TIMEOUT):
            return _read_cached(folder, wanted) or _make(folder, wanted, chosen, say, fetch)
    except Timeout:
        raise IsolationError("cannot build the probe: another process has been building it for 15 minutes") from None
    except OSError as error:
        raise failed(f"cannot build the probe in '{folder}'", error) from None


def source_hash(chosen: str = "", machine: str = "") -> str:
    """
    Return the name of a build: 16 hex digits of a hash of all sources, the flags and the target.

    Args:
        chosen: the compiler that the user chose; "" if any compiler may be used.
        machine: the target's architecture, as uname(2) names it; "" for this machine's.
    """
    digest = hashlib.sha256()
    for part in (*FLAGS, *HARDENING, *DEFINITIONS, machine or platform.machine(), chosen):
        digest.update(part.encode() + b"\0")
    for path in sorted([*SOURCES.rglob("*.c"), *SOURCES.rglob("*.h")]):
        digest.update(f"{path.relative_to(SOURCES)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _read_cached(folder: Path, wanted: str) -> BuiltProbe | None:
    """Return a cached binary if its checksum is the stored one; IsolationError if another user can swap it."""
    try:
        with Folder.open(folder) as held:
            stored, compiler = held.read("sum", 200).decode().split()
            binary = held.read("probe", MOST)
    except (OSError, ValueError):
        return None
    if hashlib.sha256(binary).hexdigest() != stored or not os.access(folder / "probe", os.X_OK):
        return None
    return BuiltProbe(folder / "probe", wanted, compiler)


def _make(folder: Path, wanted: str, chosen: str, say: Progress, fetch: bool) -> BuiltProbe:
    """Build in a temporary folder and move each file into place, the checksum last."""
    if os.statvfs(cache_dir()).f_flag & os.ST_NOEXEC:  # access(2) refuses a cached probe there too
        raise IsolationError(f"cannot run the probe from '{cache_dir()}': it is mounted noexec", ELSEWHERE)
    with temporary_folder(cache_dir()) as work:
        binary = work / "probe"
        compiler = _copy_prebuilt(binary, wanted, chosen) or _compile(binary, wanted, chosen, say, fetch)
        binary.chmod(0o755)
        digest = hashlib.sha256(binary.read_bytes()).hexdigest()
        folder.mkdir(mode=0o755, exist_ok=True)
        folder.chmod(0o755)
        os.replace(binary, folder / "probe")
        write_whole(folder / "sum", f"{digest} {compiler}\n", 0o644)
    return BuiltProbe(folder / "probe", wanted, compiler)


def _copy_prebuilt(binary: Path, wanted: str, chosen: str) -> str:
    """Copy a wheel's binary: an unprivileged sandbox may be unable to read site-packages."""
    folder = SOURCES / "prebuilt" / platform.machine()
    with contextlib.suppress(OSError):
        if not chosen and (folder / "hash").read_text("utf-8").strip() == wanted:
            shutil.copyfile(folder / "probe", binary)
            return "prebuilt"
    return ""


def _compile(binary: Path, wanted: str, chosen: str, say: Progress, fetch: bool) -> str:
    sources = [str(path) for path in sorted(SOURCES.rglob("*.c"))]
    arguments = [*DEFINITIONS, f'-DPROBE_HASH="{wanted}"', "-I", str(SOURCES), *sources]
    return compile_static("the probe", binary, arguments, chosen, say, fetch)
