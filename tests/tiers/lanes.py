"""The table of lanes: one for each environment of tox.ini."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tier = Literal["quick", "push", "full", "long", "release"]
# What a run of a tier consists of; `push` adds one full lane, and those that changed paths ask for (choose.py).
CONTENTS: dict[str, tuple[Tier, ...]] = {
    "quick": ("quick",),
    "push": ("quick", "push"),
    "all": ("quick", "push", "full", "long"),
    "release": ("quick", "push", "full", "long", "release"),
}
# Of these nothing may be flaky.
STRICT = ("all", "release")


@dataclass(frozen=True)
class Lane:
    """
    One environment of tox.ini as a part of a run.

    Attributes:
        name: the environment's name.
        tier: the smallest tier that runs it.  A full lane may also be the shard of a push; a long one is only in `all`.
        seconds: how long it takes on two slow cores beside another lane, seen there.
        paths: beginnings of the paths whose change asks for this lane on a push; those of the tests that the
            environment names ask for it too.
        machine: the machine of lab.yaml that is up while it runs, "" for none.
        alone: whether nothing else may run beside it, for it compares this machine before and after.
        whole: whether a second try runs all of it; else only the tests that failed.
        again: whether there is a second try.  What depends on nothing but the files fails for good, and so does `host`:
            what its first try left would be there before the second.
    """

    name: str
    tier: Tier
    seconds: int
    paths: tuple[str, ...] = ()
    machine: str = ""
    alone: bool = False
    whole: bool = False
    again: bool = True


PLANTS = "tests/weaknesses/plants"
LANES: tuple[Lane, ...] = (
    Lane("lint", "quick", 50, again=False),
    Lane("unit", "quick", 240),
    Lane("probe", "push", 30, whole=True),
    Lane("probe-arm64", "full", 90, ("provisioner/probe/",), whole=True),
    Lane("together", "push", 200),
    Lane("channel", "push", 100),
    Lane("debian12", "push", 350, machine="debian12"),
    Lane("faults", "push", 120),
    Lane("faults-wide", "long", 900),
    Lane("faults-table", "long", 1200),
    Lane("host", "push", 50, alone=True, again=False),
    Lane(
        "sessions",
        "full",
        200,
        (
            "plugins/pytest_isolation/session/",
            "plugins/pytest_isolation/report/",
            "plugins/pytest_isolation/fixtures.py",
            "plugins/pytest_isolation/plugin.py",
        ),
    ),
    Lane("usage", "full", 90, ("provisioner/doctor/",)),
    Lane("container-unshare", "full", 90, ("roles/unshare/", f"{PLANTS}/unshare.py")),
    Lane(
        "container-docker",
        "full",
        116,
        ("roles/docker/", f"{PLANTS}/docker.py", f"{PLANTS}/engines.py", f"{PLANTS}/engine_settings.py"),
    ),
    Lane("container-podman", "full", 180, ("roles/podman/", f"{PLANTS}/podman.py", f"{PLANTS}/engines.py")),
    Lane("container-runc", "full", 72, ("roles/runc/", f"{PLANTS}/runc.py", f"{PLANTS}/runc_files.py")),
    Lane("container-crun", "full", 60, ("roles/crun/",)),
    Lane(
        "container-lxc",
        "full",
        90,
        ("roles/lxc/", f"{PLANTS}/lxc.py", f"{PLANTS}/lxc_filters.py", f"{PLANTS}/lxc_limits.py"),
    ),
    Lane("container-rootless", "full", 70, ("roles/podman/", "roles/lxc/"), whole=True),
    Lane("container-more", "full", 37, ("roles/bwrap/", "roles/nspawn/", f"{PLANTS}/bwrap.py", f"{PLANTS}/nspawn.py")),
    Lane("container-gvisor", "full", 60, ("roles/gvisor/", f"{PLANTS}/gvisor.py")),
    Lane("container-declared", "full", 150, ("provisioner/runtimes/",)),
    Lane("container-jails", "long", 480),  # what script/jails fetches may take minutes
    Lane("matrix", "full", 110, (f"{PLANTS}/neighbours.py", f"{PLANTS}/views.py")),
    Lane(
        "network",
        "full",
        60,
        ("provisioner/networks/", f"{PLANTS}/network.py", "plugins/pytest_isolation/suite/network/"),
    ),
    Lane("generated", "full", 90, ("plugins/pytest_isolation/differential/",)),
    Lane("vm-qemu", "full", 300, ("roles/qemu/", f"{PLANTS}/qemu.py", f"{PLANTS}/qemu_guests.py")),
    Lane("lab-ssh", "full", 60, ("provisioner/connection/", "provisioner/hosts/")),
    Lane("lab-machines", "full", 120, ("provisioner/machines/",)),
    Lane("lab-converge", "full", 400, ("provisioner/converge/",)),
    Lane("lab-session", "full", 270, ("provisioner/machines/", "provisioner/cli/")),
    Lane("lab-vagrant", "full", 142, ("provisioner/machines/",)),
    Lane("vm-debian12", "full", 33, ("roles/machine/",), machine="debian12"),
    Lane("debian12-docker", "long", 590, machine="debian12"),
    Lane("debian12-podman", "full", 90, ("roles/podman/",), machine="debian12"),
    Lane("debian12-runc", "full", 27, ("roles/runc/",), machine="debian12"),
    Lane("debian12-lxc", "full", 50, ("roles/lxc/",), machine="debian12"),
    Lane(
        "debian12-more",
        "full",
        60,
        ("roles/nspawn/", "roles/bwrap/", "roles/crun/", "roles/unshare/"),
        machine="debian12",
    ),
    Lane("debian12-v1-docker", "full", 111),
    Lane("lab-fresh", "release", 600),
    Lane("generated-10000", "release", 7200),
    Lane("fuzz", "release", 900),
)
