"""Makes the images from which a run's sandboxes start, and reads the facts about each before its first start.

In: HostFiles, a Run, the built probe, a Runtime and an Image.  Out: values for templates, and facts about the image.
Nothing is imported into an engine here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.facts.image import ImageSeen, read_archive
from provisioner.hosts.files_local import HostFiles, rootfs_name
from provisioner.images import image as images
from provisioner.images.busybox import Shell, find_shell
from provisioner.images.debian import debian_archive, debian_initramfs, debian_rootfs
from provisioner.images.image import Image
from provisioner.images.kernel import guest_kernel
from provisioner.images.own_archive import rename_archive
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.linux.kvm import DEVICE, accelerator
from provisioner.paths import cache_dir
from provisioner.probe.build import BuiltProbe
from provisioner.runtimes.runtime import Runtime

UNPRIVILEGED = 65534  # nobody: runtimes that need no root run as this uid if root starts them
Made = tuple[dict[str, object], ImageSeen | IsolationError | None]


class ImageMaker:
    """
    The images of one run on one host.  Close it when the run ends.

    Args:
        files: the host's files.
        run: the journal.
        probe: the probe that goes into the images.
        directory: the run's folder on the host.
        kernel: the guest's kernel that the user named, or None.
        look_at: reads the facts about a root folder by the host's probe.
    """

    def __init__(
        self,
        files: HostFiles,
        run: Run,
        probe: BuiltProbe,
        directory: Path,
        kernel: Path | None,
        look_at: Callable[[Path], ImageSeen],
    ) -> None:
        self._files = files
        self._run = run
        self._probe = probe
        self._directory = directory
        self._kernel = kernel
        self._look_at = look_at
        self._lock = threading.Lock()
        self._folders: dict[Path, UndoEntry] = {}

    def make(self, runtime: Runtime, image: Image, ref: str) -> Made:
        """
        Make an image in the form that a runtime needs.

        Args:
            runtime: the runtime.
            image: the image's contents.
            ref: its name with its tag in an engine.

        Returns:
            Values for templates, and facts about the image: None if there is no image or a VM starts it.

        Raises:
            IsolationError: it cannot be made.
        """
        shell = find_shell() if image.shell and runtime.image != "none" else None
        if runtime.own_archive:
            path = self._directory / f"{runtime.name}-{ref.rpartition('/')[2].partition(':')[0]}.tar"
            rename_archive(Path(runtime.own_archive), path, ref)
            return {"archive": str(path)}, None
        if image.debian and runtime.image != "none":
            return self._debian(runtime, ref)
        if runtime.image == "archive":
            data = images.archive(self._probe.path, ref, shell=shell, image=image)
            path = self._directory / f"{runtime.name}-{image.name}.tar"
            self._files.write(path, data)
            return {"archive": str(path)}, _seen(lambda: read_archive(data))
        if runtime.image == "rootfs":
            folder = self._rootfs(image, shell)
            return {"rootfs": str(folder)}, _seen(lambda: self._look_at(folder))
        return (self._guest(image, shell) if runtime.image == "initramfs" else {}), None

    def _debian(self, runtime: Runtime, ref: str) -> Made:
        """Make the image with Debian's userland."""
        unread = IsolationError("the image 'debian' is not read before its start")
        if runtime.image == "initramfs":
            return self._boot(debian_initramfs(self._probe.path, self._probe.hash)), None
        if runtime.image == "archive":
            path = self._directory / f"{runtime.name}-debian.tar"
            self._files.write(path, debian_archive(self._probe.path, ref))
            return {"archive": str(path)}, unread
        if not self._files.remembers:
            raise IsolationError(
                f"cannot make the image 'debian' for '{runtime.name}' on a machine: its root folder is made here only",
                'use image="shell" there',
            )
        return {"rootfs": str(debian_rootfs(self._probe.path, self._probe.hash))}, unread

    def _rootfs(self, image: Image, shell: Shell | None) -> Path:
        """Make the root folder unless it exists; one with additional entries is deleted at the run's end."""
        if not image.items:
            return self._files.make_rootfs(self._probe, shell)
        path = self._files.cache / f"rootfs-{self._run.id}-{image.name}"
        with self._lock:  # runtimes share the folder
            if path not in self._folders:
                self._folders[path] = self._files.made_folder(self._run, path)
            return self._files.make_rootfs(self._probe, shell, path.name, image.items)

    def _guest(self, image: Image, shell: Shell | None) -> dict[str, object]:
        """Return what a micro VM boots, and the group that may use KVM; micro VMs run on this machine only."""
        name = rootfs_name(self._probe, shell).replace("rootfs", "initramfs")
        path = (self._directory / image.name if image.items else cache_dir() / name).with_suffix(".cpio")
        if not path.exists():
            images.initramfs(self._probe.path, path, shell, image.items)
        return self._boot(path)

    def _boot(self, initramfs: Path) -> dict[str, object]:
        chosen = accelerator().name
        return {
            "initramfs": str(initramfs),
            "kernel": str(guest_kernel(self._kernel)),
            "accelerator": chosen,
            # /dev/kvm belongs to root and a group (50-udev-default.rules); the hypervisor is another user
            "kvm_gid": DEVICE.stat().st_gid if chosen == "kvm" else UNPRIVILEGED,
        }

    def close(self) -> None:
        """Delete the root folders of this run."""
        for path, entry in self._folders.items():
            if self._files.delete(path):
                self._run.gone(entry)
        self._folders.clear()


def _seen(look: Callable[[], ImageSeen]) -> ImageSeen | IsolationError:
    try:
        return look()
    except IsolationError as error:
        return error
