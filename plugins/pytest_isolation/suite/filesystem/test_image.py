"""Checks of the image from which a sandbox is started.

A runtime's mounts hide the image's files, and a runtime may follow or replace links.
Therefore the image is read on the host before a sandbox starts from it; the inside view is a second source.
"""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.filesystem.images import privileged_files, root_named

FOLDERS = ("/dev", "/proc", "/sys")


@pytest.mark.isolation(
    "img.devices_symlinks",
    severity="high",
    profile="baseline",
    gains="makes the runtime mount and create nodes as the host's root where a link of the image leads",
    refs=["CVE-2026-41579", "CVE-2026-47766", "CVE-2019-19921", "OCI runtime-spec config.md, Default Devices"],
    kinds=["container"],
    kinds_reason="a VM's kernel mounts its own /dev, /proc and /sys: nothing outside mounts them",
    shows=[f"{part}[{path}]" for path in FOLDERS for part in ("image.folders", "system.paths")],
    reproduce="ls -ld ROOTFS/dev ROOTFS/proc ROOTFS/sys; tar -tvf LAYER dev proc sys    # before the start",
    remedy="build the image with real folders there; update runc to 1.3.6, 1.4.3 or 1.5, crun to 1.28",
)
def test_nothing_is_mounted_through_a_link_of_the_image(sandbox: SandboxView) -> None:
    """
    `/dev`, `/proc`, `/sys` of the image are real directories.

    An image may also lack them: the runtime then makes them.
    A link that the runtime followed is visible from inside too.
    A link that an engine covers is visible only before the start (moby's daemon/initlayer makes /dev in a layer above).
    """
    paths = sandbox.system.paths
    kept = [path for path in FOLDERS if paths[path].type == "symlink"]
    if kept:
        raise Open(f"{', '.join(kept)} is a symbolic link inside: the runtime mounted through it")
    if sandbox.target.attached:
        pytest.skip("attached: mounts hide the image's folders, and the image was not read before the start")
    if sandbox.image is None:
        pytest.skip("no image is made for this target")
    folders = sandbox.image.folders
    wrong = [f"{path} is a {folders[path]}" for path in FOLDERS if folders[path] not in ("dir", "absent")]
    if wrong:
        raise Open(f"in its image {', '.join(wrong)} before it was started")


@pytest.mark.isolation(
    "img.setuid",
    severity="low",
    profile="restricted",
    gains="as any user inside, gets root's rights, which most escapes need",
    refs=["CIS Docker 4.8", "inode(7)", "capabilities(7)", "CVE-2021-4034"],
    shows=["system.privileged", "image.privileged"],
    reproduce="find / -xdev -type f '(' -perm -4000 -o -perm -2000 ')'; getcap -r /",
    remedy="build the image without them: RUN find / -xdev -perm /6000 -type f -exec chmod a-s {} +; setcap -r FILE",
)
def test_no_file_of_the_image_gives_more_rights(sandbox: SandboxView) -> None:
    """
    The image has no setuid or setgid files or file capabilities beyond a list.

    The list holds the files of a distribution's base image, by path: su, passwd, mount and others.
    An image that this run made is read on the host before the start, because a user inside may not list every folder.
    Otherwise, and for a VM, the root is read from inside, without other mounts.
    """
    image = None if sandbox.target.attached else sandbox.image
    found = privileged_files(sandbox.system.privileged if image is None else image.privileged)
    if found:
        raise Open(f"it holds {found}")


@pytest.mark.isolation(
    "img.user",
    severity="low",
    profile="restricted",
    gains="starts as root unless the caller chooses another user",
    refs=["CIS Docker 4.1", "OCI image-spec config.md, User"],
    kinds=["container"],
    kinds_reason="what a VM boots has no image configuration: its init is root",
    shows=["image.config"],
    reproduce="the image's configuration, before the start: Config.User",
    remedy="end the image's build with USER 1000: a number, which Kubernetes' runAsNonRoot can check",
)
def test_image_names_a_user_who_is_not_root(sandbox: SandboxView) -> None:
    """
    The image names a non-root user.

    The image's configuration decides; user.nonroot checks the user of this run.
    """
    if sandbox.target.attached:
        pytest.skip("attached: the image's configuration was not read; user.nonroot checks the user that it runs as")
    if sandbox.image is None:
        pytest.skip("no image is made for this target")
    config = sandbox.image.config
    if config is None:
        pytest.skip("its image is a root folder, which has no configuration and names no user")
    why = root_named(config)
    if why:
        raise Open(f"its image {why}")
