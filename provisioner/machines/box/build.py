"""Builds the box that machines boot, or finds the one that was built.

In: a box's name and the packages to bake in.  Out: a `Box`: a disk, a kernel, an initramfs and keys.  Called by the
command line and before a machine is started.  Building needs root and a package mirror; finding needs neither.  A box
lies in the cache under the hash of all that decides what is in it, and is there whole or not at all; its keys lie in
the state folder, and without them it is no box.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from provisioner.connection.local import LocalConnection
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.files.atomic import replace_folder
from provisioner.journal.run import Run
from provisioner.machines.box.initrd import make_initrd, modules_folder
from provisioner.machines.box.keys import BoxKeys, find_keys, make_keys
from provisioner.machines.box.recipe import Recipe, load_recipe, recipe_hash
from provisioner.machines.box.rootfs import check_tools, make_tree
from provisioner.paths import cache_dir, state_dir
from provisioner.progress import step

DISK, KERNEL, INITRD, DESCRIPTION = "disk.qcow2", "vmlinuz", "initrd", "box.json"
BAKED = "baked.json"  # the packages beside the recipe's, for whoever lists boxes
UNPRIVILEGED = 65534  # the group that a hypervisor runs as: it must read the disk, which holds a private key
LOCK_TIMEOUT = 1800.0  # seconds that another process may take to build it
# what lies in the .box itself; kernel, initramfs and key are named by the lab's own Vagrantfile
VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.vm.guest = :debian
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.ssh.username = "root"
  config.ssh.insert_key = false
end
"""
ROOM = 4 << 30  # bytes: the tree, the raw disk and the packed one at the same time


@dataclass(frozen=True)
class Box:
    """
    What a machine boots.

    Args:
        name: of its recipe.
        hash: over all that decides what is in it.
        directory: where it lies.
        disk: a qcow2 image, never written to: each machine has an overlay of its own.
        kernel: the image that is booted directly.
        initrd: its initramfs.
        cmdline: the kernel's command line; providers append to it.
        user: whom to log in as.
        private_key: the file of the key that it accepts.
        host_key: its guests' own: "ssh-ed25519 AAAA…".
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
    """Return the box that was built from today's recipe, None when there is none, or it is cut short, or keyless."""
    recipe = load_recipe(name)
    wanted = recipe_hash(name, bake)
    folder = _boxes() / f"{name}-{wanted}"
    keys = find_keys(_keys_folder(name, wanted))
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
        sizes = {part: (folder / part).stat().st_size for part in (DISK, KERNEL, INITRD)}
    except (OSError, ValueError):
        return None
    if keys is None or description != _describe(sizes, keys):
        return None
    return Box(
        name=name,
        hash=wanted,
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
    Return the box, building it when there is none of today's recipe yet.

    Args:
        name: of a recipe.
        bake: packages to install in it, beside the recipe's.

    Raises:
        IsolationError: not root, a tool or the mirror or space is missing, or a package is.

    Example:
        >>> build_box().disk.name  # doctest: +SKIP
        'disk.qcow2'
    """
    if found := find_box(name, bake):
        return found
    check_tools()
    folder = _boxes()
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
        raise IsolationError(f"cannot build box '{name}': another process has been at it for half an hour") from None
    try:
        if not find_box(name, bake):
            _build(name, bake)
    finally:
        lock.release()
    built = find_box(name, bake)
    assert built is not None  # made just now, under the lock
    return built


def package_box(box: Box) -> Path:
    """
    Return the box as a file that `vagrant box add` takes, for the provider libvirt.

    It is made once, and again when it is not as long as it was.

    Raises:
        IsolationError: there is no qemu-img, or no space.
    """
    out, length = box.directory / f"{box.name}.box", box.directory / f"{box.name}.box.size"
    with contextlib.suppress(OSError):
        if out.stat().st_size == int(length.read_text() or -1):
            return out
    with tempfile.TemporaryDirectory(prefix=".package-", dir=_boxes()) as name, step(f"pack box '{box.name}'"):
        image, packed = Path(name) / "box.img", Path(name) / out.name
        convert = ["qemu-img", "convert", "-c", "-m", "4", "-W", "-O", "qcow2", "-o", "compression_type=zstd"]
        _run([*convert, str(box.disk), str(image)])
        (Path(name) / "metadata.json").write_text(
            json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": load_recipe(box.name).size})
        )
        (Path(name) / "Vagrantfile").write_text(VAGRANTFILE)
        with tarfile.open(packed, "w") as tar:
            for part in ("metadata.json", "Vagrantfile", "box.img"):
                tar.add(Path(name) / part, arcname=part)
        packed.chmod(0o600)
        length.write_text(str(packed.stat().st_size))
        os.replace(packed, out)
    return out


def _build(name: str, bake: Sequence[str]) -> None:
    """Build in a folder of its own, which the journal knows, and move the whole box into its place."""
    recipe = load_recipe(name)
    wanted = recipe_hash(name, bake)
    target = _boxes() / f"{name}-{wanted}"
    keys = make_keys(_keys_folder(name, wanted))
    with Run.start() as run, step(f"build box '{name}'"):
        work = Path(tempfile.mktemp(prefix=".build-", dir=_boxes()))  # made below, when the journal has it
        run.made("path", work)
        work.mkdir(mode=0o755)
        tree, box = work / "tree", work / "box"
        box.mkdir()
        make_tree(tree, recipe, bake, keys)
        with step("write the initramfs and the disk"):
            shutil.copyfile(tree / f"boot/vmlinuz-{modules_folder(tree).name}", box / KERNEL)
            make_initrd(tree, recipe.modules, box / INITRD)
            _make_disk(tree, recipe, work / "disk.raw", box / DISK)
        _allow(box)
        sizes = {part: (box / part).stat().st_size for part in (DISK, KERNEL, INITRD)}
        (box / BAKED).write_text(json.dumps(sorted(set(bake))))
        (box / DESCRIPTION).write_text(json.dumps(_describe(sizes, keys)))
        replace_folder(box, target)


def _make_disk(tree: Path, recipe: Recipe, raw: Path, out: Path) -> None:
    """Write the tree into ext4 without a journal: a machine's disk can be made again, and every write counts."""
    ext4 = ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-L", "root", "-m", "0", "-d", str(tree)]
    for argv in (
        [*ext4, str(raw), f"{recipe.size}G"],
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(out)],
    ):
        _run(argv)


def _run(argv: list[str]) -> None:
    done = LocalConnection().run(argv, deadline("box.disk"))
    if done.status != 0:
        raise IsolationError(f"cannot make a box's disk: {argv[0]}: {done.last_words}")


def _allow(box: Path) -> None:
    """Let an unprivileged hypervisor read the disk, and nobody else: the guests' own key lies in it."""
    box.chmod(0o755)
    for part in (KERNEL, INITRD):
        (box / part).chmod(0o644)
    os.chown(box / DISK, -1, UNPRIVILEGED)
    (box / DISK).chmod(0o640)


def _describe(sizes: dict[str, int], keys: BoxKeys) -> dict[str, object]:
    return {"sizes": sizes, "login": keys.login_public, "host": keys.host_public}


def _boxes() -> Path:
    folder = cache_dir() / "boxes"
    folder.mkdir(mode=0o755, exist_ok=True)
    return folder


def _keys_folder(name: str, wanted: str) -> Path:
    return state_dir() / "boxes" / f"{name}-{wanted}"
