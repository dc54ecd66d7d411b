"""Builds the box that machines boot, or finds a built one.

In: a recipe's name and the packages to bake in.  Out: a `Box`: a disk, a kernel, an initramfs and keys.  Building needs
root and a package mirror; finding needs neither.  A box's folder in the cache is named by the hash of everything that
decides its content; it is complete or absent.  Its keys are in the state folder; a box without its keys is not found.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from provisioner.connection.local import LocalConnection
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.files.atomic import replace_folder
from provisioner.files.maker import temporary_folder, temporary_name
from provisioner.journal.run import Run
from provisioner.machines.box.initrd import make_initrd, modules_folder
from provisioner.machines.box.keys import BoxKeys, find_keys, make_keys
from provisioner.machines.box.recipe import Recipe, load_recipe, recipe_hash
from provisioner.machines.box.rootfs import check_tools, make_rootfs
from provisioner.paths import cache_dir, state_dir
from provisioner.progress import step

DISK, KERNEL, INITRD, DESCRIPTION = "disk.qcow2", "vmlinuz", "initrd", "box.json"
BAKED = "baked.json"  # the baked packages, for `provisioner box list`
UNPRIVILEGED = 65534  # the group that a hypervisor runs as: it must read the disk, which holds a private key
LOCK_TIMEOUT = 1800.0  # seconds that another process may take to build the box
# inside the .box file; the lab's Vagrantfile names kernel, initramfs and key
VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.vm.guest = :debian
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.ssh.username = "root"
  config.ssh.insert_key = false
end
"""
ROOM = 4 << 30  # bytes: the root folder, the raw disk and the qcow2 disk exist at the same time


@dataclass(frozen=True)
class Box:
    """
    What a machine boots.

    Args:
        name: the recipe's name.
        hash: 12 hex digits over everything that decides the content.
        directory: the box's folder.
        disk: a qcow2 image; it is read-only, and each machine has an overlay over it.
        kernel: the kernel image, which is booted directly.
        initrd: the initramfs.
        cmdline: the kernel's command line; providers append to it.
        user: the user to log in as.
        private_key: the file of the key that logs in.
        host_key: the guests' host key, "ssh-ed25519 AAAA…".
    """

    name: str
    hash: str
    directory: Path
    disk: Path
    kernel: Path
    initrd: Path
    cmdline: str
    user: str
    private_key: Path
    host_key: str


def find_box(name: str = "debian12", bake: Sequence[str] = ()) -> Box | None:
    """
    Return the box that was built from the current recipe.

    Args:
        name: a recipe's name.
        bake: the packages that are installed in addition to the recipe's.

    Returns:
        None if the box is not built, incomplete, or without its keys.

    Raises:
        IsolationError: there is no such recipe.
    """
    recipe = load_recipe(name)
    digest = recipe_hash(name, bake)
    folder = boxes_folder() / f"{name}-{digest}"
    keys = find_keys(_keys_folder(name, digest))
    try:
        description = json.loads((folder / DESCRIPTION).read_text("utf-8"))
        sizes = {part: (folder / part).stat().st_size for part in (DISK, KERNEL, INITRD)}
    except (OSError, ValueError):
        return None
    if keys is None or description != _describe(sizes, keys):
        return None
    return Box(
        name=name,
        hash=digest,
        directory=folder,
        disk=folder / DISK,
        kernel=folder / KERNEL,
        initrd=folder / INITRD,
        cmdline=" ".join(recipe.cmdline),
        user="root",
        private_key=keys.login_private,
        host_key=keys.host_public,
    )


def build_box(name: str = "debian12", bake: Sequence[str] = ()) -> Box:
    """
    Return the box of the current recipe; build it if there is none.

    Args:
        name: a recipe's name.
        bake: the packages to install in addition to the recipe's.

    Raises:
        IsolationError: this user is not root, or a tool, a package, the mirror or disk space is missing.

    Example:
        >>> build_box().disk.name  # doctest: +SKIP
        'disk.qcow2'
    """
    if found := find_box(name, bake):
        return found
    check_tools()
    folder = boxes_folder()
    if shutil.disk_usage(folder).free < ROOM:
        raise IsolationError(f"cannot build box '{name}': less than {ROOM >> 30} GiB are free in '{folder}'")
    lock = FileLock(folder / f"{name}.lock")
    try:
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=0)
        if not lock.is_locked:
            with step(f"wait for another process that builds box '{name}'"):
                lock.acquire(timeout=LOCK_TIMEOUT)
    except Timeout:
        raise IsolationError(f"cannot build box '{name}': another process has held its lock for 30 minutes") from None
    try:
        if not find_box(name, bake):
            _build(name, bake)
    finally:
        lock.release()
    built = find_box(name, bake)
    assert built is not None  # just built, under the lock
    return built


def package_box(box: Box) -> Path:
    """
    Return the box as a file for `vagrant box add`, provider libvirt.

    The file is made once, and again if its size has changed since.

    Raises:
        IsolationError: qemu-img or disk space is missing.
    """
    out, length = box.directory / f"{box.name}.box", box.directory / f"{box.name}.box.size"
    with contextlib.suppress(OSError):
        if out.stat().st_size == int(length.read_text("utf-8") or -1):
            return out
    with temporary_folder(boxes_folder()) as folder, step(f"pack box '{box.name}'"):
        image, packed = folder / "box.img", folder / out.name
        convert = ["qemu-img", "convert", "-c", "-m", "4", "-W", "-O", "qcow2", "-o", "compression_type=zstd"]
        _run([*convert, str(box.disk), str(image)])
        (folder / "metadata.json").write_text(
            json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": load_recipe(box.name).size})
        )
        (folder / "Vagrantfile").write_text(VAGRANTFILE, "utf-8")
        with tarfile.open(packed, "w") as tar:
            for part in ("metadata.json", "Vagrantfile", "box.img"):
                tar.add(folder / part, arcname=part)
        packed.chmod(0o600)
        length.write_text(str(packed.stat().st_size))
        os.replace(packed, out)
    return out


def _build(name: str, bake: Sequence[str]) -> None:
    """Build in a temporary folder, which the journal records, and rename the complete box into its place."""
    recipe = load_recipe(name)
    digest = recipe_hash(name, bake)
    target = boxes_folder() / f"{name}-{digest}"
    keys = make_keys(_keys_folder(name, digest))
    with Run.start() as run, step(f"build box '{name}'"):
        work = boxes_folder() / temporary_name()  # created below, after the journal records it
        run.made("path", work)
        work.mkdir(mode=0o755)
        rootfs, box = work / "rootfs", work / "box"
        box.mkdir()
        make_rootfs(rootfs, recipe, bake, keys)
        with step("write the initramfs and the disk"):
            shutil.copyfile(rootfs / f"boot/vmlinuz-{modules_folder(rootfs).name}", box / KERNEL)
            make_initrd(rootfs, recipe.modules, box / INITRD)
            _make_disk(rootfs, recipe, work / "disk.raw", box / DISK)
        _set_permissions(box)
        sizes = {part: (box / part).stat().st_size for part in (DISK, KERNEL, INITRD)}
        (box / BAKED).write_text(json.dumps(sorted(set(bake))))
        (box / DESCRIPTION).write_text(json.dumps(_describe(sizes, keys)))
        replace_folder(box, target)


def _make_disk(rootfs: Path, recipe: Recipe, raw: Path, out: Path) -> None:
    """Write the root folder into an ext4 without a journal: a machine's disk can be made again."""
    ext4 = ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-L", "root", "-m", "0", "-d", str(rootfs)]
    for argv in (
        [*ext4, str(raw), f"{recipe.size}G"],
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(out)],
    ):
        _run(argv)


def _run(argv: list[str]) -> None:
    done = LocalConnection().run(argv, deadline("box.disk"))
    if done.status != 0:
        raise IsolationError(f"cannot make the box's disk: {argv[0]}: {done.last_words}")


def _set_permissions(box: Path) -> None:
    """Let only root and the unprivileged hypervisor read the disk: it holds the guests' private host key."""
    box.chmod(0o755)
    for part in (KERNEL, INITRD):
        (box / part).chmod(0o644)
    os.chown(box / DISK, -1, UNPRIVILEGED)
    (box / DISK).chmod(0o640)


def _describe(sizes: dict[str, int], keys: BoxKeys) -> dict[str, object]:
    return {"sizes": sizes, "login": keys.login_public, "host": keys.host_public}


def boxes_folder() -> Path:
    """Return the folder of all built boxes; it is made if it is missing."""
    folder = cache_dir() / "boxes"
    folder.mkdir(mode=0o755, exist_ok=True)
    return folder


def _keys_folder(name: str, digest: str) -> Path:
    return state_dir() / "boxes" / f"{name}-{digest}"
