"""Makes the image that is made of nothing: the probe and a few empty folders, in three shapes.

In: the probe's static executable.  Out: a docker-archive tar, a folder, or an initramfs.  Called by sandboxes/ before a
target is set up.  Needs no root, no tool and no network, and equal inputs give equal bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from provisioner.errors import IsolationError

# systemd-nspawn takes a folder without usr/ for no operating system at all
FOLDERS = {"dev": 0o755, "etc": 0o755, "proc": 0o755, "run": 0o755, "sys": 0o755, "tmp": 0o1777, "usr": 0o755}
NODES = (
    ("dev/console", 0o600, 5, 1),
    ("dev/null", 0o666, 1, 3),
    ("dev/ttyS0", 0o600, 4, 64),
    ("dev/ttyS1", 0o600, 4, 65),
)
Entry = tuple[str, int, int, int, bytes]  # of a cpio archive: name, mode with its type, major, minor, data
TRAILER: Entry = ("TRAILER!!!", 0, 0, 0, b"")
LABELS = {"isolation": "probe"}

ELF_MACHINES = {3: "i686", 21: "ppc64le", 22: "s390x", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
OCI_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def probe_architecture(path: Path) -> str:
    """
    Read for which machine an executable was built, from its ELF header (elf(5)).

    Returns:
        The name that uname(2) has for it: "x86_64", "aarch64", …

    Raises:
        IsolationError: it cannot be read, or is no ELF file.
    """
    try:
        with path.open("rb") as file:
            header = file.read(20)
    except OSError as error:
        raise IsolationError(f"cannot read '{path}': {error.strerror}") from None
    if len(header) < 20 or header[:4] != b"\x7fELF":
        raise IsolationError(f"cannot use '{path}': not an ELF executable", hint="the probe is a static program")
    number = int.from_bytes(header[18:20], "little" if header[5] == 1 else "big")
    return ELF_MACHINES.get(number, f"machine {number}")


def check_architecture(probe: Path, machine: str) -> None:
    """Raise IsolationError when the probe was built for another machine than `machine` (a name of uname(2))."""
    if (found := probe_architecture(probe)) != machine:
        raise IsolationError(
            f"cannot use '{probe}': built for {found}, needed is {machine}",
            hint=f"build the probe for {machine}",
        )


def archive(probe: Path, ref: str, out: Path, machine: str | None = None) -> None:
    """
    Write a docker-archive tar that `docker load` and `podman load` accept.

    Args:
        probe: the executable, which becomes /probe.
        ref: the image's name with its tag.
        out: the file to write, atomically.
        machine: a name of uname(2); this machine's when left out.

    Raises:
        IsolationError: the probe cannot be read, or is for another machine.
    """
    machine = machine or platform.machine()
    check_architecture(probe, machine)
    layer = _tar([*((f"{name}/", mode, None) for name, mode in FOLDERS.items()), ("probe", 0o755, probe.read_bytes())])
    digest = hashlib.sha256(layer).hexdigest()
    config = _json(
        {
            "architecture": OCI_MACHINES.get(machine, machine),
            "config": {"Labels": LABELS},
            "created": "1970-01-01T00:00:00Z",
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "pytest-isolation"}],
            "os": "linux",
            "rootfs": {"diff_ids": [f"sha256:{digest}"], "type": "layers"},
        }
    )
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = _json([{"Config": name, "Layers": [f"{digest}/layer.tar"], "RepoTags": [ref]}])
    files = [(name, 0o644, config), (f"{digest}/", 0o755, None), (f"{digest}/layer.tar", 0o644, layer)]
    with _written(out) as file:
        file.write(_tar([*files, ("manifest.json", 0o644, manifest)]))


def rootfs(probe: Path, out: Path) -> None:
    """
    Make a folder that serves as a root file system, traversable by any mapped id.

    Does nothing where it is already there with this probe; what a runtime has put beside the probe stays.

    Args:
        probe: the executable, which becomes /probe.
        out: the folder to make.
    """
    probe_architecture(probe)
    if _is_rootfs(out, probe):
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    aside = made.with_name(f"{made.name}.old")
    try:
        _fill_rootfs(made, probe)
        if out.exists():
            os.rename(out, aside)
        os.rename(made, out)
    except OSError as error:
        if not _is_rootfs(out, probe):  # else another process was quicker
            raise IsolationError(f"cannot make '{out}': {error.strerror}") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def initramfs(probe: Path, out: Path) -> None:
    """
    Write an uncompressed initramfs (cpio newc, initramfs-buffer-format.rst) whose /init is the probe.

    Args:
        probe: the executable.
        out: the file to write, atomically.
    """
    probe_architecture(probe)
    entries = [(name, stat.S_IFDIR | mode, 0, 0, b"") for name, mode in FOLDERS.items()]
    entries += [(name, stat.S_IFCHR | mode, major, minor, b"") for name, mode, major, minor in NODES]
    entries.append(("init", stat.S_IFREG | 0o755, 0, 0, probe.read_bytes()))
    write_cpio(entries, out)


def write_cpio(entries: Sequence[Entry], out: Path) -> None:
    """Write a cpio archive (newc), atomically."""
    with _written(out) as file:
        for number, (name, mode, major, minor, data) in enumerate([*entries, TRAILER], start=1):
            file.write(_cpio(number, name, mode, major, minor, data))


def _cpio(number: int, name: str, mode: int, major: int, minor: int, data: bytes) -> bytes:
    """Return one entry: magic and thirteen numbers of eight hex digits, the name, the data, each padded to four."""
    links = 2 if stat.S_ISDIR(mode) else 1
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, major, minor, len(encoded), 0)
    head = b"070701" + "".join(f"{field:08x}" for field in fields).encode() + encoded
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def _is_rootfs(folder: Path, probe: Path) -> bool:
    try:
        same = (folder / "probe").read_bytes() == probe.read_bytes()
        modes = [stat.S_IMODE((folder / name).stat().st_mode) for name in (".", "probe", *FOLDERS)]
    except OSError:
        return False
    return same and modes == [0o755, 0o755, *FOLDERS.values()]


def _fill_rootfs(folder: Path, probe: Path) -> None:
    """Set each mode by hand: the caller's umask may be 077."""
    for name, mode in FOLDERS.items():
        (folder / name).mkdir()
        (folder / name).chmod(mode)
    shutil.copyfile(probe, folder / "probe")
    (folder / "probe").chmod(0o755)
    folder.chmod(0o755)


def _tar(entries: list[tuple[str, int, bytes | None]]) -> bytes:
    """Return a tar of (name, mode, data), in which None makes a folder, and no time nor owner stands."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, mode, data in entries:
            info = tarfile.TarInfo(name.rstrip("/"))
            info.mode = mode
            info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            info.size = len(data or b"")
            tar.addfile(info, io.BytesIO(data or b""))
    return buffer.getvalue()


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@contextmanager
def _written(out: Path) -> Iterator[io.BufferedWriter]:
    """Give a file that takes `out`'s place, world-readable, only when all was written."""
    out.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(prefix=f".{out.name}-", dir=out.parent)
    try:
        with open(fd, "wb") as file:
            yield file
        os.chmod(name, 0o644)
        os.replace(name, out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
