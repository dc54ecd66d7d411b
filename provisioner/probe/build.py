"""Builds the probe for this machine, or finds the one that was built.

In: the C sources beside this file, and the environment variable PYTEST_ISOLATION_CC.  Out: a `BuiltProbe` in the
cache, checked against its stored sum, or one IsolationError.  Called by cli.py, by pytest_isolation's session, by
machines/initrd.py (whose own program it compiles), and by tests.  A binary that a wheel carries is used when it was
built from exactly these sources.  The last resort needs neither root nor a compiler: Debian's tcc and musl, fetched and
unpacked into the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from provisioner.errors import IsolationError
from provisioner.images.apt import fetch_packages, unpack_package
from provisioner.paths import cache_dir
from provisioner.progress import step

SOURCES = Path(__file__).parent
FLAGS = ("-std=gnu11", "-O2", "-static")
CHOICE = "PYTEST_ISOLATION_CC"
COMPILE_TIMEOUT = 180.0  # seconds; zig compiles its C library first
LOCK_TIMEOUT = 900.0
WRONG_USAGE = 64  # what the probe answers when it is given no command: sysexits(3)

Progress = Callable[[str], None]


def _quiet(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class BuiltProbe:
    """
    A probe that can be run here.

    Args:
        path: the static executable, mode 0755, in a folder that every user can pass through.
        hash: of its sources, flags and target; the probe says the same in its hello.
        compiler: what made it: "musl-gcc", "cc", "zig", "tcc" or "prebuilt".
    """

    path: Path
    hash: str
    compiler: str


def probe_binary(progress: Progress | None = None, fetch: bool = True) -> BuiltProbe:
    """
    Return the probe for this machine, building it when there is none yet.

    Args:
        progress: told one line about each thing that is tried.
        fetch: whether a compiler may be fetched when none is here.

    Raises:
        IsolationError: no compiler works here, or the one that PYTEST_ISOLATION_CC names does not.

    Example:
        >>> probe_binary().path.name
        'probe'
    """
    say = progress or _quiet
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
        raise IsolationError("cannot build the probe: another process has been at it for 15 minutes") from None
    except OSError as error:
        raise IsolationError(f"cannot build the probe in '{folder}': {error.strerror}") from None


def source_hash(chosen: str = "", machine: str = "") -> str:
    """
    Return what names a build: 16 hex digits over all sources, the flags and the target.

    Args:
        chosen: the compiler that was asked for; "" for whichever works, which makes no difference to the name.
        machine: the target's architecture; "" for this machine's.
    """
    digest = hashlib.sha256()
    for part in (*FLAGS, machine or platform.machine(), chosen):
        digest.update(part.encode() + b"\0")
    for path in sorted([*SOURCES.rglob("*.c"), *SOURCES.rglob("*.h")]):
        digest.update(f"{path.relative_to(SOURCES)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _read_cached(folder: Path, wanted: str) -> BuiltProbe | None:
    """Accept a cached binary only with the sum that was stored when it was built: a full disk cuts files."""
    try:
        stored, compiler = (folder / "sum").read_text().split()
        binary = (folder / "probe").read_bytes()
    except (OSError, ValueError):
        return None
    if hashlib.sha256(binary).hexdigest() != stored or not os.access(folder / "probe", os.X_OK):
        return None
    return BuiltProbe(folder / "probe", wanted, compiler)


def _make(folder: Path, wanted: str, chosen: str, say: Progress, fetch: bool) -> BuiltProbe:
    """Build into a folder of its own and move each file into place, the sum last."""
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=cache_dir()) as name:
        binary = Path(name) / "probe"
        compiler = _copy_prebuilt(binary, wanted, chosen) or _compile(binary, wanted, chosen, say, fetch)
        binary.chmod(0o755)
        total = Path(name) / "sum"
        total.write_text(f"{hashlib.sha256(binary.read_bytes()).hexdigest()} {compiler}\n")
        total.chmod(0o644)
        folder.mkdir(mode=0o755, exist_ok=True)
        folder.chmod(0o755)
        os.replace(binary, folder / "probe")
        os.replace(total, folder / "sum")
    return BuiltProbe(folder / "probe", wanted, compiler)


def _copy_prebuilt(binary: Path, wanted: str, chosen: str) -> str:
    """Take a wheel's binary, by copy: an unprivileged sandbox need not be able to reach site-packages."""
    folder = SOURCES / "prebuilt" / platform.machine()
    with contextlib.suppress(OSError):
        if not chosen and (folder / "hash").read_text().strip() == wanted:
            shutil.copyfile(folder / "probe", binary)
            return "prebuilt"
    return ""


def _compile(binary: Path, wanted: str, chosen: str, say: Progress, fetch: bool) -> str:
    sources = [str(path) for path in sorted(SOURCES.rglob("*.c"))]
    arguments = [f'-DPROBE_HASH="{wanted}"', "-I", str(SOURCES), *sources]
    return compile_static("the probe", binary, arguments, chosen, say, fetch)


def compile_static(
    what: str,
    binary: Path,
    arguments: Sequence[str],
    chosen: str = "",
    say: Progress = _quiet,
    fetch: bool = True,
) -> str:
    """
    Let one compiler after another make a static program, until one makes a program that runs.

    Args:
        what: it is, for messages: "the probe".
        binary: the file to make; called without arguments it exits with status 64 (sysexits(3)).
        arguments: definitions and source files.
        chosen: the one compiler to use; "" for whichever works.
        say: told one line about each that is tried.
        fetch: whether a compiler may be fetched when none is here.

    Returns:
        The name of the compiler that did it.

    Raises:
        IsolationError: none works here.
    """
    log = ""
    for name, plan in COMPILERS.items():
        if (chosen and name != chosen) or (name == FETCHED and not fetch):
            continue
        try:
            for argv in plan(binary, arguments):
                say(f"compile {what} with {name}")
                with step(f"compile {what} with {name}"):
                    fault = _run(argv, binary)
                if not fault:
                    return name
                log += f"{name}: {fault}\n"
        except IsolationError as error:
            log += f"{name}: {error}\n"
            if chosen:
                raise
    if chosen:
        raise IsolationError(
            f"cannot build {what}: {chosen} did not make one", hint="read its messages with -v", log=log[-4000:]
        )
    hint = "apt-get install musl-tools, or pip install ziglang"
    raise IsolationError(f"cannot build {what}: no C compiler", hint=hint, log=log[-4000:])


def _run(argv: Sequence[str], binary: Path) -> str:
    """Run one compiler and then its binary; return what was wrong, or ""."""
    binary.unlink(missing_ok=True)
    environment = {**os.environ, "LC_ALL": "C", "ZIG_LOCAL_CACHE_DIR": f"{binary.parent}/zig"}
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMPILE_TIMEOUT,
            env=environment,
        )
        if done.returncode != 0:
            return done.stdout.decode("utf-8", "backslashreplace")[-2000:] or f"exit {done.returncode}"
        tried = subprocess.run([binary], stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    except subprocess.TimeoutExpired:
        return f"{argv[0]} took too long"
    except OSError as error:
        return f"{argv[0]}: {error.strerror}"
    return "" if tried.returncode == WRONG_USAGE else f"what it made exits with {tried.returncode}"


Plan = Iterator[list[str]]


def _plan_musl(binary: Path, arguments: Sequence[str]) -> Plan:
    if shutil.which("musl-gcc"):
        yield ["musl-gcc", *FLAGS, "-s", "-o", str(binary), *arguments]


def _plan_cc(binary: Path, arguments: Sequence[str]) -> Plan:
    for name in ("cc", "gcc"):
        if shutil.which(name):
            yield [name, *FLAGS, "-s", "-o", str(binary), *arguments]


def _plan_zig(binary: Path, arguments: Sequence[str]) -> Plan:
    if importlib.util.find_spec("ziglang"):
        target = f"{platform.machine()}-linux-musl"
        yield [sys.executable, "-m", "ziglang", "cc", "-target", target, *FLAGS, "-s", "-o", str(binary), *arguments]


def _plan_tcc(binary: Path, arguments: Sequence[str]) -> Plan:
    """Spell out what a musl-gcc would say, for nothing of the unpacked packages is where tcc looks for it."""
    root = _unpack_tcc()
    machine = platform.machine()
    tcc = root / "usr/lib" / f"{machine}-linux-gnu" / "tcc"
    musl = root / "usr/lib" / f"{machine}-linux-musl"
    yield [
        str(root / "usr/bin/tcc"),
        *("-B", str(tcc), "-nostdinc", "-nostdlib", "-static"),
        *("-I", str(root / "usr/include" / f"{machine}-linux-musl"), "-I", str(tcc / "include")),
        *(str(musl / "crt1.o"), str(musl / "crti.o")),
        "-o",
        str(binary),
        *arguments,
        *(str(musl / "libc.a"), str(tcc / "libtcc1.a"), str(musl / "crtn.o")),
    ]


def _unpack_tcc() -> Path:
    root = cache_dir() / f"tcc-{platform.machine()}"
    if (root / "usr/bin/tcc").exists():
        return root
    with tempfile.TemporaryDirectory(prefix=".tcc-", dir=cache_dir()) as name:
        unpacked = Path(name) / "root"
        unpacked.mkdir(mode=0o755)
        for deb in fetch_packages(["tcc", "musl-dev"], Path(name)):
            unpack_package(deb, unpacked)
        shutil.rmtree(root, ignore_errors=True)
        os.replace(unpacked, root)
    return root


FETCHED = "tcc"
COMPILERS: dict[str, Callable[[Path, Sequence[str]], Plan]] = {
    "musl-gcc": _plan_musl,
    "cc": _plan_cc,
    "zig": _plan_zig,
    "tcc": _plan_tcc,
}
