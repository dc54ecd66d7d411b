"""Makes the image that is made of nothing: the probe and a few empty folders, in three shapes.

In: the probe's static executable, and a shell where one is wanted.  Out: a docker-archive tar, a folder, or an
initramfs.  Called by host.py and the sites before a target is set up.  Needs no root, no tool and no network, and equal
inputs give equal bytes.
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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.files.atomic import replace_folder, writing_whole
from provisioner.images.busybox import Shell
from provisioner.images.elf import check_architecture, probe_architecture

# systemd-nspawn takes a folder without usr/ for no operating system at all
FOLDERS = {"dev": 0o755, "etc": 0o755, "proc": 0o755, "run": 0o755, "sys": 0o755, "tmp": 0o1777, "usr": 0o755}
NODES = (
    ("dev/console", 0o600, 5, 1),
    ("dev/null", 0o666, 1, 3),
    ("dev/ttyS0", 0o600, 4, 64),
    ("dev/ttyS1", 0o600, 4, 65),
)
ACCOUNTS = {
    "etc/passwd": b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
}
Entry = tuple[str, int, int, int, bytes]  # of a cpio archive: name, mode with its type, major, minor, data
TRAILER: Entry = ("TRAILER!!!", 0, 0, 0, b"")
LABELS = {"isolation": "probe"}

OCI_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True)
class Item:
    """One thing of an image: a folder (no data), a file, or a symbolic link, whose data is where it points to."""

    name: str
    mode: int  # with its type, as stat(2) has it
    data: bytes = b""


@dataclass(frozen=True)
class Image:
    """
    What is asked of an image besides the probe.

    Attributes:
        shell: whether a BusyBox is in it.
        items: further things, each in place of the one of its name; a link must not lead out of the image.
        user: whom an archive's config names ("USER" of a Dockerfile), "" for nobody.
    """

    shell: bool = False
    items: tuple[Item, ...] = ()
    user: str = ""

    @property
    def name(self) -> str:
        """Its name among those of one run."""
        if not self.items and not self.user:
            return "shell" if self.shell else "probe"
        return f"own-{hashlib.sha256(repr(self).encode()).hexdigest()[:12]}"


IMAGES = {image.name: image for image in (Image(), Image(shell=True))}


def contents(probe: Path, shell: Shell | None = None, name: str = "probe", further: Sequence[Item] = ()) -> list[Item]:
    """
    Return what an image holds, each thing after the folder that it lies in.

    Args:
        probe: the executable.
        shell: a BusyBox for /bin, None for an image without one.
        name: where the probe lies.
        further: things besides, each in place of the one of its name.
    """
    items = [Item(folder, stat.S_IFDIR | mode) for folder, mode in FOLDERS.items()]
    items.append(Item(name, stat.S_IFREG | 0o755, probe.read_bytes()))
    if shell is not None:
        items.append(Item("bin", stat.S_IFDIR | 0o755))
        items.append(Item("bin/busybox", stat.S_IFREG | 0o755, shell.path.read_bytes()))
        items += [
            Item(f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox") for applet in shell.applets if applet != "busybox"
        ]
        items += [Item(path, stat.S_IFREG | 0o644, data) for path, data in ACCOUNTS.items()]
    return list({item.name: item for item in (*items, *further)}.values())


def archive(
    probe: Path,
    ref: str,
    out: Path,
    machine: str | None = None,
    shell: Shell | None = None,
    image: Image = IMAGES["probe"],
) -> None:
    """
    Write a docker-archive tar that `docker load` and `podman load` accept.

    Args:
        probe: the executable, which becomes /probe.
        ref: the image's name with its tag.
        out: the file to write, atomically.
        machine: a name of uname(2); this machine's when left out.
        shell: a BusyBox to put beside the probe, None for none.
        image: whose further things are in it, and whose user is in its config.

    Raises:
        IsolationError: the probe cannot be read, or is for another machine.
    """
    machine = machine or platform.machine()
    check_architecture(probe, machine)
    layer = _tar(contents(probe, shell, further=image.items))
    digest = hashlib.sha256(layer).hexdigest()
    config = _json(
        {
            "architecture": OCI_MACHINES.get(machine, machine),
            "config": {"Labels": LABELS} | ({"User": image.user} if image.user else {}),
            "created": "1970-01-01T00:00:00Z",
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "pytest-isolation"}],
            "os": "linux",
            "rootfs": {"diff_ids": [f"sha256:{digest}"], "type": "layers"},
        }
    )
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = _json([{"Config": name, "Layers": [f"{digest}/layer.tar"], "RepoTags": [ref]}])
    file_mode = stat.S_IFREG | 0o644
    folder = Item(digest, stat.S_IFDIR | 0o755)
    files = [Item(name, file_mode, config), folder, Item(f"{digest}/layer.tar", file_mode, layer)]
    out.parent.mkdir(parents=True, exist_ok=True)
    with writing_whole(out, 0o644) as file:
        file.write(_tar([*files, Item("manifest.json", file_mode, manifest)]))


def rootfs_tar(probe: Path, shell: Shell | None = None, further: Sequence[Item] = ()) -> bytes:
    """Return the same root file system as `rootfs` makes, as a tar, for a host that is elsewhere."""
    return _tar(contents(probe, shell, further=further))


def rootfs(probe: Path, out: Path, shell: Shell | None = None, further: Sequence[Item] = ()) -> None:
    """
    Make a folder that serves as a root file system, traversable by any mapped id.

    Does nothing where it is already there with this probe; what a runtime has put beside the probe stays.

    Args:
        probe: the executable, which becomes /probe.
        out: the folder to make.
        shell: a BusyBox to put beside the probe, None for none.
        further: things besides, as `contents` takes them.
    """
    probe_architecture(probe)
    if _is_rootfs(out, probe):
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        _fill_rootfs(made, contents(probe, shell, further=further))
        replace_folder(made, out)
    except OSError as error:
        if not _is_rootfs(out, probe):  # else another process was quicker
            raise IsolationError(f"cannot make '{out}': {error.strerror}") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def initramfs(probe: Path, out: Path, shell: Shell | None = None, further: Sequence[Item] = ()) -> None:
    """
    Write an uncompressed initramfs (cpio newc, initramfs-buffer-format.rst) whose /init is the probe.

    Args:
        probe: the executable.
        out: the file to write, atomically.
        shell: a BusyBox to put beside the probe, None for none.
        further: things besides, as `contents` takes them.
    """
    probe_architecture(probe)
    entries = [(item.name, item.mode, 0, 0, item.data) for item in contents(probe, shell, "init", further)]
    entries += [(name, stat.S_IFCHR | mode, major, minor, b"") for name, mode, major, minor in NODES]
    write_cpio(entries, out)


def write_cpio(entries: Sequence[Entry], out: Path) -> None:
    """Write a cpio archive (newc), atomically."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with writing_whole(out, 0o644) as file:
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


def _fill_rootfs(folder: Path, items: list[Item]) -> None:
    """Set each mode by hand: the caller's umask may be 077."""
    for item in items:
        path = folder / item.name
        if stat.S_ISLNK(item.mode):
            path.symlink_to(os.fsdecode(item.data))
            continue
        if stat.S_ISDIR(item.mode):
            path.mkdir()
        else:
            path.write_bytes(item.data)
        path.chmod(stat.S_IMODE(item.mode))
    folder.chmod(0o755)


def _tar(items: list[Item]) -> bytes:
    """Return a tar in which no time nor owner stands."""
    types = {stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFREG: tarfile.REGTYPE, stat.S_IFLNK: tarfile.SYMTYPE}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for item in items:
            info = tarfile.TarInfo(item.name)
            info.mode = stat.S_IMODE(item.mode)
            info.type = types[stat.S_IFMT(item.mode)]
            if stat.S_ISLNK(item.mode):
                info.linkname = os.fsdecode(item.data)
            info.size = len(item.data) if stat.S_ISREG(item.mode) else 0
            tar.addfile(info, io.BytesIO(item.data))
    return buffer.getvalue()


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
