"""Gives a lab's Vagrant the boxes that its machines boot, and deletes the ones that none boots any more.

In: a built `Box`, or the name of a box that Vagrant knows.  Out: a box that the lab's Vagrant finds by name.
vagrant-libvirt copies a box's disk into the lab's storage pool before its first use, and does not notice an incomplete
copy.  So a mark file is made when a machine has started from a box: copies without it are deleted.
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

PREFIX = "isolation-"  # of the names of built boxes
VERSION = "1"  # of every built box: the name has the hash of its content
SLASH = "-VAGRANTSLASH-"  # a '/' in the names of Vagrant's folders and of vagrant-libvirt's volumes
VOLUME = "_vagrant_box_image_"


def box_name(box: Box) -> str:
    """Return the name of a built box in Vagrant."""
    return f"{PREFIX}{box.name}-{box.hash}"


def add_built_box(program: VagrantProgram, box: Box) -> None:
    """Add a built box to Vagrant, with a version: without one, the name of the disk's copy contains the time of day."""
    name = box_name(box)
    # Vagrant 2.4 has one subfolder more
    if any((_boxes(program) / name / VERSION).glob(f"**/{program.provider}/metadata.json")):
        return
    provider = {"name": program.provider, "url": package_box(box).as_uri()}
    catalogue = program.directory / "catalogue.json"
    catalogue.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    catalogue.write_text(json.dumps({"name": name, "versions": [{"version": VERSION, "providers": [provider]}]}))
    program.add_box(name, catalogue)


def link_user_box(program: VagrantProgram, name: str) -> None:
    """Link a box of the user's Vagrant into the lab's Vagrant; if there is none, Vagrant downloads it."""
    folder = name.replace("/", SLASH)
    user = Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d") / "boxes" / folder
    link = _boxes(program) / folder
    if user.is_dir() and not link.exists():
        link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        link.unlink(missing_ok=True)  # a dangling link
        link.symlink_to(user.resolve())


def delete_incomplete_copies(program: VagrantProgram, libvirt: Libvirt, name: str) -> None:
    """
    Delete the storage pool's copies of a box that no machine has started from: they may be incomplete.

    Args:
        program: the lab's Vagrant.
        libvirt: the lab's libvirt.
        name: the box's name in Vagrant.
    """
    if not _mark(program, name).exists():
        for volume in _volumes(libvirt, name):
            libvirt.virsh("vol-delete", volume.name, "--pool", POOL)


def mark_complete(program: VagrantProgram, name: str) -> None:
    """Record that a machine has started from a box."""
    _mark(program, name).touch()


def delete_unused(program: VagrantProgram, libvirt: Libvirt, used: Iterable[str]) -> None:
    """
    Delete the built boxes that no machine of the lab boots any more, and their copies.

    Args:
        program: the lab's Vagrant.
        libvirt: the lab's libvirt.
        used: the names of the boxes to keep.
    """
    keep = set(used)
    for folder in _boxes(program).glob(f"{PREFIX}*"):
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)
            _mark(program, folder.name).unlink(missing_ok=True)
    for volume in _volumes(libvirt, PREFIX):
        if volume.name.partition(VOLUME)[0] not in keep:
            libvirt.virsh("vol-delete", volume.name, "--pool", POOL)


def _boxes(program: VagrantProgram) -> Path:
    return program.directory / "home" / "boxes"


def _mark(program: VagrantProgram, name: str) -> Path:
    return program.directory / f"{name.replace('/', SLASH)}.whole"


def _volumes(libvirt: Libvirt, prefix: str) -> list[Path]:
    """Return the copies of the boxes with this prefix in their names."""
    volumes = (libvirt.directory / "lib" / "images").glob(f"*{VOLUME}*")
    return [path for path in volumes if path.name.startswith(prefix.replace("/", SLASH))]
