"""Makes the image that contains only the probe and empty folders, in three forms.

In: the probe's static executable, and a BusyBox for an image with a shell.  Out: a docker-archive tar, a folder, or an
initramfs.  No root, no tool and no network is needed; equal inputs give equal bytes.
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.faults.explain import failed
from provisioner.files.atomic import replace_folder, writing_whole
from provisioner.files.folder import Folder
from provisioner.files.maker import temporary_name
from provisioner.images.busybox import Shell
from provisioner.images.elf import check_architecture, probe_architecture

# systemd-nspawn refuses a root without usr/
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
    """One entry of an image: a folder (no data), a file, or a symbolic link (its data is the target)."""

    name: str
    mode: int  # type and permission bits, as in stat(2)
    data: bytes = b""


@dataclass(frozen=True)
class Image:
    """
    What an image contains besides the probe.

    Attributes:
        shell: whether it contains a BusyBox.
        debian: whether it contains Debian's userland.
        items: additional entries; each replaces the entry of the same name.  No link may lead out of the image.
        user: the user in an archive's config ("USER" of a Dockerfile), "" for none.
    """

    shell: bool = False
    items: tuple[Item, ...] = ()
    user: str = ""
    debian: bool = False

    @property
    def name(self) -> str:
        """The image's name, unique within a run."""
        if not self.items and not self.user:
            return "debian" if self.debian else "shell" if self.shell else "probe"
        return f"own-{hashlib.sha256(repr(self).encode()).hexdigest()[:12]}"


IMAGES = {image.name: image for image in (Image(), Image(shell=True), Image(debian=True))}


def contents(probe: Path, shell: Shell | None = None, name: str = "probe", further: Sequence[Item] = ()) -> list[Item]:
    """
    Return the entries of an image, each after its folder.

    Args:
        probe: the executable.
        shell: a BusyBox for /bin, None for an image without one.
        name: the probe's path in the image.
        further: additional entries; each replaces the entry of the same name.
    """
    items = [Item(folder, stat.S_IFDIR | mode) for folder, mode in FOLDERS.items()]
    items.append(_probe_item(probe, name))
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
    machine: str | None = None,
    shell: Shell | None = None,
    image: Image = IMAGES["probe"],
    below: bytes = b"",
) -> bytes:
    """
    Return a docker-archive tar that `docker load` and `podman load` accept.

    Args:
        probe: the executable; it becomes /probe.
        ref: the image's name with its tag.
        machine: the architecture as uname(2) names it; this machine's by default.
        shell: a BusyBox for /bin, None for none.
        image: the image's additional entries and user.
        below: the tar of a layer below the probe's; b"" for none.

    Raises:
        IsolationError: the probe cannot be read, or is for another machine.
    """
    machine = machine or platform.machine()
    check_architecture(probe, machine)
    config = {"Labels": LABELS} | ({"User": image.user} if image.user else {})
    top = _tar(contents(probe, shell, further=image.items) if not below else [_probe_item(probe)])
    return _archive([layer for layer in (below, top) if layer], ref, config, machine)


def archive_of(
    items: Sequence[Item], ref: str, config: Mapping[str, object] | None = None, machine: str | None = None
) -> bytes:
    """
    Return a docker-archive tar of one image with one layer.

    Args:
        items: the entries of its layer, each after its folder.
        ref: the image's name with its tag.
        config: the key `config` of the image's configuration (OCI image-spec, config.md): User, Volumes, StopSignal.
        machine: the architecture as uname(2) names it; this machine's by default.
    """
    return _archive([_tar(items)], ref, config or {}, machine or platform.machine())


def _archive(contents_of_layers: Sequence[bytes], ref: str, config: Mapping[str, object], machine: str) -> bytes:
    layers = {hashlib.sha256(layer).hexdigest(): layer for layer in contents_of_layers}
    document = _json(
        {
            "architecture": OCI_MACHINES.get(machine, machine),
            "config": config,
            "created": "1970-01-01T00:00:00Z",
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "pytest-isolation"} for _ in layers],
            "os": "linux",
            "rootfs": {"diff_ids": [f"sha256:{digest}" for digest in layers], "type": "layers"},
        }
    )
    name = f"{hashlib.sha256(document).hexdigest()}.json"
    manifest = _json([{"Config": name, "Layers": [f"{digest}/layer.tar" for digest in layers], "RepoTags": [ref]}])
    file_mode = stat.S_IFREG | 0o644
    files = [Item(name, file_mode, document)]
    for digest, layer in layers.items():
        files += [Item(digest, stat.S_IFDIR | 0o755), Item(f"{digest}/layer.tar", file_mode, layer)]
    return _tar([*files, Item("manifest.json", file_mode, manifest)])


def _probe_item(probe: Path, name: str = "probe") -> Item:
    return Item(name, stat.S_IFREG | 0o755, probe.read_bytes())


def rootfs_tar(probe: Path, shell: Shell | None = None, further: Sequence[Item] = ()) -> bytes:
    """
    Return the root file system of `rootfs` as a tar, for another host.

    Args:
        probe: the executable; it becomes /probe.
        shell: a BusyBox for /bin, or None.
        further: additional entries.
    """
    return _tar(contents(probe, shell, further=further))


def rootfs(probe: Path, out: Path, shell: Shell | None = None, further: Sequence[Item] = ()) -> None:
    """
    Make a folder that is a root file system, searchable by every mapped id.

    A folder that has this probe already is kept, with what a runtime added to it.

    Args:
        probe: the executable; it becomes /probe.
        out: the folder to make.
        shell: a BusyBox for /bin, None for none.
        further: additional entries, as in `contents`.

    Raises:
        IsolationError: the probe cannot be read, or the folder cannot be made.
    """
    probe_architecture(probe)
    if is_rootfs(out, probe):
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    made = out.with_name(temporary_name())
    try:
        made.mkdir(mode=0o700)
        _fill_rootfs(made, contents(probe, shell, further=further))
        replace_folder(made, out)
    except OSError as error:
        if not is_rootfs(out, probe):  # else another process made it first
            raise failed(f"cannot make '{out}'", error) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def initramfs(probe: Path, out: Path, shell: Shell | None = None, further: Sequence[Item] = ()) -> None:
    """
    Write an uncompressed initramfs (cpio newc, initramfs-buffer-format.rst) whose /init is the probe.

    Args:
        probe: the executable; it becomes /init.
        out: the file to write; it is replaced whole.
        shell: a BusyBox for /bin, None for none.
        further: additional entries, as in `contents`.
    """
    write_initramfs(
        probe, out, [(item.name, item.mode, 0, 0, item.data) for item in contents(probe, shell, "init", further)]
    )


def write_initramfs(probe: Path, out: Path, entries: Sequence[Entry]) -> None:
    """
    Write an initramfs of these entries, the probe's own and the device nodes of a guest.

    Args:
        probe: the executable; it becomes /init.
        out: the file to write; it is replaced whole.
        entries: the entries, folders before what is in them.
    """
    probe_architecture(probe)
    first = [(item.name, item.mode, 0, 0, item.data) for item in contents(probe, name="init")]
    entries = [*first, *(entry for entry in entries if entry[0] not in {name for name, *_ in first})]
    entries += [(name, stat.S_IFCHR | mode, major, minor, b"") for name, mode, major, minor in NODES]
    write_cpio(entries, out)


def write_cpio(entries: Sequence[Entry], out: Path) -> None:
    """Write a cpio archive (newc) whole or not at all."""
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


def is_rootfs(folder: Path, probe: Path) -> bool:
    """Tell whether a folder is whole and still as it was made: the root of a container may have written it."""
    wanted = {"probe": stat.S_IFREG | 0o755} | {name: stat.S_IFDIR | mode for name, mode in FOLDERS.items()}
    try:
        data = probe.read_bytes()
        with Folder.open(folder) as held:
            seen = [os.fstat(held.fd), *(held.status(name) for name in wanted)]
            same = held.read("probe", len(data) + 1) == data
    except (OSError, IsolationError):
        return False
    looks = [(status.st_uid, status.st_mode) if status else None for status in seen]
    return same and looks == [(os.geteuid(), mode) for mode in (stat.S_IFDIR | 0o755, *wanted.values())]


def _fill_rootfs(folder: Path, items: list[Item]) -> None:
    """Make the entries, and set each mode after that: the umask may be 077."""
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


def _tar(items: Sequence[Item]) -> bytes:
    """Return a tar without times and owners."""
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
