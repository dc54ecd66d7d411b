"""Plants for systemd-nspawn: arguments of systemd-nspawn(1)."""

from __future__ import annotations

from plant import (
    OTHERS_LINKS,
    Plant,
    flags,
    opened,
)

NSPAWN = ("nspawn",)

PLANTS = (
    # with it goes a /sys of its own: src/nspawn/nspawn.c, mount_sysfs, binds the host's
    Plant(
        "the host's network",
        NSPAWN,
        {"ns.net": "host's network namespace", "ipc.abstract": "it connects to the host's @"},
        {**opened("path.firmware"), "cap.net_admin": "holds"},  # granted on a network of its own alone
        spec={"network": "host"},
        apart=OTHERS_LINKS,
    ),
    Plant(
        "the host's /etc bound",
        NSPAWN,
        {"mnt.host_paths": "/usr is the host's /etc"},
        spec=flags("--bind-ro=/etc:/usr"),
    ),
    Plant("CAP_SYS_RAWIO granted", NSPAWN, {"cap.bounding": "SYS_RAWIO"}, spec=flags("--capability=CAP_SYS_RAWIO")),
    # look-alikes
    Plant("an innocent folder", NSPAWN, spec=lambda ground: flags(f"--bind-ro={ground.directory('data')}:/usr")),
    Plant("a capability dropped", NSPAWN, spec=flags("--drop-capability=CAP_AUDIT_CONTROL")),
)
