"""Makes the images that a run's sandboxes are started from, and has each looked at before anything is.

In: a HostFiles, a Run, the built probe, a Runtime and what is asked of its image.  Out: values by which templates name
it, and what it showed.  Called by host.py.  Imports nothing into an engine.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.facts.image import ImageSeen, read_archive
from provisioner.hosts.files_local import HostFiles, rootfs_name
from provisioner.images import image as images
from provisioner.images.busybox import Shell, find_shell
from provisioner.images.image import Image
from provisioner.images.kernel import guest_kernel
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.linux.kvm import DEVICE, accelerator
from provisioner.paths import cache_dir
from provisioner.probe.build import BuiltProbe
from provisioner.runtimes.runtime import Runtime

UNPRIVILEGED = 65534  # nobody: runtimes that need no root get none, also when root starts them
Made = tuple[dict[str, object], ImageSeen | IsolationError | None]


class ImageMaker:
    """
    The images of one run on one host.  Close it when the run ends.

    Args:
        site: where they lie.
        run: the journal.
        probe: what goes into them.
        directory: the run's folder there.
        kernel: a guest kernel that the user named, else None.
        look_at: lets the host's probe look at a root folder.
    """

    def __init__(
        self,
        site: HostFiles,
        run: Run,
        probe: BuiltProbe,
        directory: Path,
        kernel: Path | None,
        look_at: Callable[[Path], ImageSeen],
    ) -> None:
        self._site = site
        self._run = run
        self._probe = probe
        self._directory = directory
        self._kernel = kernel
        self._look_at = look_at
        self._lock = threading.Lock()
        self._folders: dict[Path, UndoEntry] = {}

    def make(self, runtime: Runtime, image: Image, ref: str) -> Made:
        """
        Make the image in the shape that this runtime starts from.

        Args:
            runtime: what starts it.
            image: what is asked of it.
            ref: its name with its tag, where an engine keeps it.

        Returns:
            What templates may name of it, and what it showed: None where there is none, or a VM starts it.

        Raises:
            IsolationError: it could not be made.
        """
        shell = find_shell() if image.shell and runtime.image != "none" else None
        if runtime.image == "archive":
            data = self._archive(ref, image, shell)
            path = self._directory / f"{runtime.name}-{image.name}.tar"
            self._site.write(path, data)
            return {"archive": str(path)}, _seen(lambda: read_archive(data))
        if runtime.image == "rootfs":
            folder = self._rootfs(image, shell)
            return {"rootfs": str(folder)}, _seen(lambda: self._look_at(folder))
        return (self._guest(image, shell) if runtime.image == "initramfs" else {}), None

    def _archive(self, ref: str, image: Image, shell: Shell | None) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "image.tar"
            images.archive(self._probe.path, ref, path, shell=shell, image=image)
            return path.read_bytes()

    def _rootfs(self, image: Image, shell: Shell | None) -> Path:
        """Have the root folder there; one with further things is this run's, and goes with it."""
        if not image.items:
            return self._site.make_rootfs(self._probe, shell)
        path = self._site.cache / f"rootfs-{self._run.id}-{image.name}"
        with self._lock:  # runtimes share it
            if path not in self._folders:
                self._folders[path] = self._site.made_folder(self._run, path)
            return self._site.make_rootfs(self._probe, shell, path.name, image.items)

    def _guest(self, image: Image, shell: Shell | None) -> dict[str, object]:
        """Return what a micro VM boots, and the group that may use KVM; micro VMs run on this machine alone."""
        name = rootfs_name(self._probe, shell).replace("rootfs", "initramfs")
        path = (self._directory / image.name if image.items else cache_dir() / name).with_suffix(".cpio")
        if not path.exists():
            images.initramfs(self._probe.path, path, shell, image.items)
        chosen = accelerator().name
        return {
            "initramfs": str(path),
            "kernel": str(guest_kernel(self._kernel)),
            "accelerator": chosen,
            # /dev/kvm is root's and a group's (systemd's 50-udev-default.rules); the hypervisor is another user
            "kvm_gid": DEVICE.stat().st_gid if chosen == "kvm" else UNPRIVILEGED,
        }

    def close(self) -> None:
        """Take away the folders that are this run's."""
        for path, record in self._folders.items():
            self._site.delete(path)
            self._run.gone(record)
        self._folders.clear()


def _seen(look: Callable[[], ImageSeen]) -> ImageSeen | IsolationError:
    try:
        return look()
    except IsolationError as error:
        return error
