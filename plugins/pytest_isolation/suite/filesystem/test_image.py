"""The image: what a sandbox is started from, before a runtime has touched it.

What a runtime mounts hides what lay there, and what it follows or replaces is no longer what the image had.  So the
image is looked at on the host before anything is started from it; the inside view is the second witness.
"""

from __future__ import annotations

import pytest

from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.filesystem.images import privileged_files, root_named

FOLDERS = ("/dev", "/proc", "/sys")


@pytest.mark.isolation(
    "img.devices_symlinks",
    severity="high",
    profile="baseline",
    gains="has the runtime, as the host's root, mount and make nodes and links where the image's own link leads",
    refs=["CVE-2026-41579", "CVE-2026-47766", "CVE-2019-19921", "OCI runtime-spec config.md, Default Devices"],
    kinds=["container"],
    kinds_reason="a VM's kernel mounts its own /dev, /proc and /sys: nothing is mounted for it from outside",
    shows=[f"{part}[{path}]" for path in FOLDERS for part in ("image.folders", "system.paths")],
    reproduce="ls -ld ROOTFS/dev ROOTFS/proc ROOTFS/sys; tar -tvf LAYER dev proc sys    # before it is started",
    remedy="build the image with real folders there, and update runc to 1.3.6, 1.4.3 or 1.5, crun to 1.28",
)
def test_nothing_is_mounted_through_a_link_of_the_image(sandbox: SandboxView) -> None:
    """
    `/dev`, `/proc`, `/sys` of the image are real directories.

    An image without one of them is as good: the runtime makes it.  A link that the runtime followed is seen from
    inside too; one that an engine covers (moby's daemon/initlayer makes /dev in a layer above) only before the start.
    """
    paths = sandbox.system.paths
    kept = [path for path in FOLDERS if paths[path].type == "symlink"]
    assert not kept, f"{', '.join(kept)} is a symbolic link inside: the runtime mounted through it"
    if sandbox.target.attached:
        pytest.skip("it was started before anybody here could look at its image, and what was mounted since hides it")
    if sandbox.image is None:
        pytest.skip("no image is made for this target")
    folders = sandbox.image.folders
    wrong = [f"{path} is a {folders[path]}" for path in FOLDERS if folders[path] not in ("dir", "absent")]
    assert not wrong, f"in its image {', '.join(wrong)} before it was started"


@pytest.mark.isolation(
    "img.setuid",
    severity="low",
    profile="restricted",
    gains="turns the rights of any user inside into root's, the first half of most escapes",
    refs=["CIS Docker 4.8", "inode(7)", "capabilities(7)", "CVE-2021-4034"],
    shows=["system.privileged", "image.privileged"],
    reproduce="find / -xdev -type f '(' -perm -4000 -o -perm -2000 ')'; getcap -r /",
    remedy="build the image without them: RUN find / -xdev -perm /6000 -type f -exec chmod a-s {} +; setcap -r FILE",
)
def test_no_file_of_the_image_gives_more_rights(sandbox: SandboxView) -> None:
    """
    The image has no setuid/setgid files or file capabilities beyond a list.

    The list is that of a distribution's base image: su, passwd, mount and the like, by path.  An image that this run
    made is walked on the host before the start, for inside a user may not list every folder; where none was made or a
    VM started it, its root is walked from inside, without what is mounted in it.
    """
    image = None if sandbox.target.attached else sandbox.image
    found = privileged_files(sandbox.system.privileged if image is None else image.privileged)
    assert not found, f"it holds {found}"


@pytest.mark.isolation(
    "img.user",
    severity="low",
    profile="restricted",
    gains="starts as root wherever whoever runs the image does not say otherwise",
    refs=["CIS Docker 4.1", "OCI image-spec config.md, User"],
    kinds=["container"],
    kinds_reason="what a VM boots has no image configuration: its init is root",
    shows=["image.config"],
    reproduce="docker image inspect IMAGE    # Config.User",
    remedy="end the image's build with USER 1000: a number, which Kubernetes' runAsNonRoot can check",
)
def test_image_names_a_user_who_is_not_root(sandbox: SandboxView) -> None:
    """
    The image names a non-root user.

    Its configuration is what counts, not as whom it runs this time: user.nonroot asks that.
    """
    if sandbox.target.attached:
        pytest.skip("what its image's configuration says was not asked: as whom it runs, user.nonroot tells")
    if sandbox.image is None:
        pytest.skip("no image is made for this target")
    config = sandbox.image.config
    if config is None:
        pytest.skip("its image is a root folder, which has no configuration that could name a user")
    why = root_named(config)
    assert not why, f"its image {why}"
