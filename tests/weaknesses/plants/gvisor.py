"""Plants for gVisor: flags of runsc, and edits of the config.json that `runsc spec` writes."""

from __future__ import annotations

from ground import Ground
from oci_edits import bind, drop_namespace, put
from plant import (
    OTHERS_LINKS,
    Plant,
    edits,
    flags,
    opened,
)
from serving import serve

GVISOR = ("gvisor",)


def _served(ground: Ground) -> dict[str, object]:
    """Bind a folder in which a process of the host serves a socket."""
    folder = ground.directory("served")
    ground.undo.callback(serve(folder / "x.sock", "dockerd"))
    return dict(edits(bind(folder, "/tmp/served")))


PLANTS = (
    Plant(
        "--network=host in no network namespace",
        GVISOR,
        {"ns.net": "host's network namespace", "user.root_mapped": "its sentry's process runs as root"},
        spec={**flags("--network=host"), **edits(drop_namespace("network"))},
        apart=(
            "mgmt.kubelet",
            "mgmt.runtime_tcp",
            "net.peer_same",
            *OTHERS_LINKS,
        ),  # the interfaces are the host's, and told
    ),
    Plant(
        "the host's /etc bound",
        GVISOR,
        {"mnt.host_paths": "a folder of the host is shared at /tmp/etc (9p)"},
        spec=edits(bind("/etc", "/tmp/etc", "ro")),
    ),
    Plant("a writable root", GVISOR, {"mnt.rootfs_ro": "/ is writable"}, spec=edits(put("root.readonly", False))),
    Plant(
        "a socket of the host's that the sentry passes on",
        GVISOR,
        {"ipc.host_sockets": "its sentry alone knows", "mgmt.runtime_sock": "its sentry alone knows"},
        verdict="unknown",
        spec=lambda ground: {**flags("--host-uds=all"), **_served(ground)},
        also=opened("mnt.host_paths"),
    ),
    # look-alikes
    # the sentry's calls reach a network namespace that is its own
    Plant(
        "--network=host in a network namespace of its own",
        GVISOR,
        {"user.root_mapped": "its sentry's process runs as root"},
        spec=flags("--network=host"),
        apart=("mgmt.kubelet", "mgmt.runtime_tcp"),
    ),
    Plant("a socket of the host's that the sentry does not show", GVISOR, spec=_served, also=opened("mnt.host_paths")),
    Plant("another host name", GVISOR, spec=edits(put("hostname", "other"))),
)
