"""Gives a lab's Vagrant the boxes that its machines boot, and takes away those that none boots any more.

In: a `Box` of our own, or the name of one that Vagrant knows.  Out: a box that the lab's Vagrant finds under its name.
Called by vagrant.py.  vagrant-libvirt copies a box's disk into the lab's pool before its first use, and takes a copy
that was cut short for a whole one: a mark says which ones are whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from provisioner.machines.box.build import Box, package_box
from provisioner.machines.libvirt.daemon import Libvirt
from provisioner.machines.libvirt.domain import POOL
from provisioner.machines.vagrant.program import VagrantProgram

OURS = "isolation-"
VERSION = "1"  # of a box of ours: its name has the hash of all that is in it
SLASH = "-VAGRANTSLASH-"  # in Vagrant's folders and in vagrant-libvirt's volumes
VOLUME = "_vagrant_box_image_"


def box_name(box: Box) -> str:
    """Return the name of a box of our own in Vagrant."""
    return f"{OURS}{box.name}-{box.hash}"


def add_own(program: VagrantProgram, box: Box) -> None:
    """Let Vagrant know a box of our own, with a version: without one it names the disk's copy by the time of day."""
    name = box_name(box)
    if any((_boxes(program) / name / VERSION).glob(f"**/{program.provider}/metadata.json")):  # 2.4: a folder deeper
        return
    provider = {"name": program.provider, "url": package_box(box).as_uri()}
    catalogue = program.directory / "catalogue.json"
    catalogue.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    catalogue.write_text(json.dumps({"name": name, "versions": [{"version": VERSION, "providers": [provider]}]}))
    program.add_box(name, catalogue)


def link_known(program: VagrantProgram, name: str) -> None:
    """Let the lab's Vagrant see a box that the user's has; one that neither has, Vagrant fetches by itself."""
    folder = name.replace("/", SLASH)
    user = Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d") / "boxes" / folder
    link = _boxes(program) / folder
    if user.is_dir() and not link.exists():
        link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        link.unlink(missing_ok=True)  # a link to what is gone
        link.symlink_to(user.resolve())


def drop_half(program: VagrantProgram, libvirt: Libvirt, name: str) -> None:
    """Delete the pool's copies of a box that no machine was ever started from: they may be cut short."""
    if not _mark(program, name).exists():
        for volume in _volumes(libvirt, name):
            libvirt.virsh("vol-delete", volume.name, "--pool", POOL)


def mark_whole(program: VagrantProgram, name: str) -> None:
    """Remember that a machine was started from a box."""
    _mark(program, name).touch()


def drop_unused(program: VagrantProgram, libvirt: Libvirt, used: Iterable[str]) -> None:
    """Take away the boxes of our own that no machine of the lab boots any more, and their copies."""
    keep = set(used)
    for folder in _boxes(program).glob(f"{OURS}*"):
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)
            _mark(program, folder.name).unlink(missing_ok=True)
    for volume in _volumes(libvirt, OURS):
        if volume.name.partition(VOLUME)[0] not in keep:
            libvirt.virsh("vol-delete", volume.name, "--pool", POOL)


def _boxes(program: VagrantProgram) -> Path:
    return program.directory / "home" / "boxes"


def _mark(program: VagrantProgram, name: str) -> Path:
    return program.directory / f"{name.replace('/', SLASH)}.whole"


def _volumes(libvirt: Libvirt, prefix: str) -> list[Path]:
    """Return the copies of boxes whose names begin so."""
    found = (libvirt.directory / "lib" / "images").glob(f"*{VOLUME}*")
    return [path for path in found if path.name.startswith(prefix.replace("/", SLASH))]
