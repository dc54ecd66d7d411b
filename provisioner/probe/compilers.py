"""Compiles a static C program with the first compiler whose result runs.

In: C sources and flags.  Out: an executable, or one IsolationError with what the compilers said.
The last compiler to be tried needs neither root nor an installed one: Debian's tcc and musl are downloaded and unpacked
into the cache.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from provisioner.connection.local import CommandTimeout, run_command
from provisioner.errors import IsolationError
from provisioner.faults.explain import failed, free_bytes
from provisioner.files.maker import temporary_folder
from provisioner.images.apt import fetch_packages, unpack_package
from provisioner.paths import cache_dir
from provisioner.progress import step

FLAGS = ("-std=gnu11", "-O2", "-static")
# Left out if a compiler or its C library does not have them.  musl ignores _FORTIFY_SOURCE.
HARDENING = ("-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2")
COMPILE_TIMEOUT = 180.0  # seconds; zig compiles its C library first
LEAST_SPACE = 64 << 10  # bytes; a compiler that fails with less free has no space, whatever it says
WRONG_USAGE = 64  # exit status of the probe without arguments: sysexits(3)

Progress = Callable[[str], None]


def quiet(line: str) -> None:
    """Discard the line."""


def compile_static(
    what: str,
    binary: Path,
    arguments: Sequence[str],
    chosen: str = "",
    say: Progress = quiet,
    fetch: bool = True,
) -> str:
    """
    Compile a static program with the first compiler whose result runs.

    Args:
        what: name of the program for messages: "the probe".
        binary: the file to write.  The program must exit with status 64 if it is called without arguments.
        arguments: definitions, folders of headers and source files.
        chosen: the only compiler to try; "" for all.
        say: receives one line for each compiler that is tried.
        fetch: whether a compiler may be downloaded if none is installed.

    Returns:
        The name of the compiler.

    Raises:
        IsolationError: no compiler works.
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
                if os.strerror(errno.ENOSPC) in fault or free_bytes(binary.parent) < LEAST_SPACE:
                    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    raise failed(f"cannot build {what} in '{binary.parent.parent}'", full)
                log += f"{name}: {fault}\n"
        except IsolationError as error:
            log += f"{name}: {error}\n"
            if chosen or os.strerror(errno.ENOSPC) in error.what:  # another compiler has no more space
                raise
    if chosen:
        raise IsolationError(f"cannot build {what}: {chosen} failed", hint="read its messages with -v", log=log[-4000:])
    hint = "apt-get install musl-tools, or pip install ziglang"
    why = f"no C compiler works: {_first_error(log)}" if log else "no C compiler"
    raise IsolationError(f"cannot build {what}: {why}", hint=hint, log=log[-4000:])


def _first_error(log: str) -> str:
    """Return the first line that tells an error, without the columns that compilers print before it."""
    lines = log.splitlines()
    return next((line for line in lines if "error" in line.lower()), lines[0]).strip()[:200]


def _run(argv: Sequence[str], binary: Path) -> str:
    """Run one compiler and then its binary; return the error, or ""."""
    binary.unlink(missing_ok=True)
    folder = str(binary.parent)  # also for the compiler's temporary files, which it leaves if it is killed
    environment = {"LC_ALL": "C", "ZIG_LOCAL_CACHE_DIR": f"{folder}/zig", "TMPDIR": folder}
    try:
        done = run_command(argv, COMPILE_TIMEOUT, environment, tied=True)
        if done.status != 0:
            log = (done.stdout + done.stderr).decode("utf-8", "backslashreplace")
            return log[-2000:] or f"exit {done.status}"
        tried = run_command([str(binary)], 10)
    except CommandTimeout:
        return f"{argv[0]} took too long"
    except IsolationError as error:
        return error.what
    return "" if tried.status == WRONG_USAGE else f"its program exits with status {tried.status}"


Plan = Iterator[list[str]]


def _with_and_without_hardening(compiler: list[str], binary: Path, arguments: Sequence[str]) -> Plan:
    for hardening in (HARDENING, ()):
        yield [*compiler, *FLAGS, *hardening, "-s", "-o", str(binary), *arguments]


def _plan_musl(binary: Path, arguments: Sequence[str]) -> Plan:
    if shutil.which("musl-gcc"):
        yield from _with_and_without_hardening(["musl-gcc"], binary, arguments)


def _plan_cc(binary: Path, arguments: Sequence[str]) -> Plan:
    for name in ("cc", "gcc"):
        if shutil.which(name):
            yield from _with_and_without_hardening([name], binary, arguments)


def _plan_zig(binary: Path, arguments: Sequence[str]) -> Plan:
    if importlib.util.find_spec("ziglang"):
        target = f"{platform.machine()}-linux-musl"
        zig = [sys.executable, "-m", "ziglang", "cc", "-target", target]
        yield from _with_and_without_hardening(zig, binary, arguments)


def _plan_tcc(binary: Path, arguments: Sequence[str]) -> Plan:
    """Name every folder and object file: the unpacked packages are not where tcc looks for them."""
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
    with temporary_folder(cache_dir()) as work:
        unpacked = work / "root"
        unpacked.mkdir(mode=0o755)
        for deb in fetch_packages(["tcc", "musl-dev"], work):
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
