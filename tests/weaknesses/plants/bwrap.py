"""Plants for bubblewrap: arguments of bwrap(1)."""

from __future__ import annotations

from plant import Plant, flags

BWRAP = ("bwrap",)

PLANTS = (
    Plant(
        "--share-net",
        BWRAP,
        {"ns.net": "host's network namespace", "ipc.abstract": "it connects to the host's @"},
        spec=flags("--share-net"),
    ),
    Plant(
        "the host's /etc bound",
        BWRAP,
        {"mnt.host_paths": "/usr is the host's /etc"},
        spec=flags("--ro-bind", "/etc", "/usr"),
    ),
    Plant("--uid 0", BWRAP, {"user.nonroot": "uid 0 inside"}, spec=flags("--uid", "0")),
    # look-alikes
    Plant("an innocent folder", BWRAP, spec=lambda ground: flags("--ro-bind", str(ground.directory("data")), "/usr")),
    Plant("another host name", BWRAP, spec=flags("--hostname", "other")),
)
