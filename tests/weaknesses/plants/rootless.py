"""Plants for podman started by a user without root: the walls that root's containers share, and those that differ.

The user namespace that podman makes owns the container's other namespaces.
A capability in it is none over the host, so most options that open the host for root's containers open only the
sandbox's own namespaces here.
"""

from __future__ import annotations

import os

from plant import (
    OTHERS_LINKS,
    Plant,
    flags,
    opened,
)

from plants.engines import profiled

PODMAN = ("podman",)

# What --privileged lets in that the host lets every user open: udev's rules have some of it so.
DEVICES = {"dev.fuse_tun": ("/dev/fuse", "/dev/net/tun"), "dev.kvm_vhost": ("/dev/kvm", "/dev/vhost-net")}
REACHING = [check for check, paths in DEVICES.items() if any(os.access(path, os.R_OK | os.W_OK) for path in paths)]

# Plants of podman's that move the same for a user; those that need root on the host, or whose capability counts over
# the host, are not here.
SAME = frozenset(
    {
        "containers.conf: seccomp_profile unconfined",
        "containers.conf: an innocent setting",
        "--uts=host",
        "--cgroupns=host",
        "no-new-privileges left out",
        "seccomp=unconfined",
        "-v /usr:/x:ro",
        "an innocent file",
        "a tree that looks like the host's root",
        "a capability added and dropped",
        "a tmpfs of its own",
        "a profile that allows bpf",
        "a profile that allows add_key",
        "a filter that answers ENOSYS",
        "-v /dev/pts:/dev/pts",
        "-e API_TOKEN",
        "an engine's socket",
        "a file named as an engine's socket",
        "/proc/cmdline not masked",
        "exec --privileged",
        "--preserve-fds",
        "nothing may be gained",
        "a process beside it",
        "a probe that lies about no_new_privs",
    }
)

PLANTS = (
    Plant(
        "--pid=host by a user, without a cgroup of its own",
        PODMAN,
        {
            "ns.pid": "host's pid namespace",
            "ns.pid.procfs": "host's pid namespace",
            "ns.pid.reap": "after the end of its first process",
            "sig.outside": "signal the host's process",
            "sig.peer": "signal its peer's process",
            "ptrace.outside": "of its peer's process",
        },
        spec=flags("--pid=host"),
        ends=True,
        user="other",
    ),
    Plant(
        "a profile without rules for sockets, by a user, who reads no installed filter",
        PODMAN,
        {"seccomp.sockets": "opens AF_VSOCK"},
        spec=profiled(allowed="socket"),
        base="profile",
        user="other",
    ),
    Plant("--userns=host, which is the user's one namespace", PODMAN, spec=flags("--userns=host"), user="other"),
    Plant(
        "--userns=keep-id, a namespace for each of one range",
        PODMAN,
        also={"ns.peer": "holds", "user.nonroot": "holds"},
        spec=flags("--userns=keep-id"),
        planted_peer=True,
        user="other",
    ),
    Plant(
        "--cap-add=SYS_ADMIN, over its own namespaces alone",
        PODMAN,
        {"cap.bounding": "SYS_ADMIN", "seccomp.dangerous": "quotactl", "kern.mount_api": "fsopen.no_such_fs"},
        spec=flags("--cap-add", "SYS_ADMIN"),
        user="other",
    ),
    Plant(
        "--cap-add=NET_RAW, over its own network alone",
        PODMAN,
        {"cap.bounding": "NET_RAW", "cap.net_raw": "socket.packet_raw"},
        spec=flags("--cap-add", "NET_RAW"),
        user="other",
    ),
    *(
        Plant(
            f"--cap-add={name}, over nothing of the host's",
            PODMAN,
            {"cap.bounding": name},
            spec=flags("--cap-add", name),
            user="other",
        )
        for name in ("SYS_MODULE", "SYS_TIME", "MKNOD")
    ),
    Plant(
        "--network=host by a user, with the host's /sys",
        PODMAN,
        {"ns.net": "host's network namespace", "ipc.abstract": "it connects to the host's @", "mnt.host_paths": "/sys"},
        {"run.as_declared": "holds", "lim.tmpfs": "holds"},  # the host's /sys is bound, and no cgroups are mounted
        spec={"network": "host"},
        apart=OTHERS_LINKS,
        user="other",
    ),
    Plant(
        "--network=container:PEER by a user, beside the user namespace that they share",
        PODMAN,
        {"net.peer_same": "its peer's token"},
        spec=lambda ground: {"network": "private", "flags": ("--network", f"container:{ground.peer.name}")},
        reach=True,
        needs="/dev/net/tun",
        user="other",
    ),
    Plant(
        "unmask=ALL by a user",
        PODMAN,
        {"path.keys": "/proc/keys", "path.firmware": "/sys/firmware"},
        {"path.mask_real": "not_applicable"},
        spec=flags("--security-opt", "unmask=ALL"),
        user="other",
    ),
    Plant(
        "--privileged by a user",
        PODMAN,
        {
            "cap.bounding": "SYS_ADMIN",
            "cap.net_raw": "socket.packet_raw",
            "seccomp.mode": "no seccomp filter",
            "seccomp.dangerous": "no filter is installed",
            "path.sys_ro": "/sys is mounted writable",
            "dev.nodes": "it also has /dev/",
            "path.keys": "/proc/keys",
            "path.firmware": "/sys/firmware",
            "kern.mount_api": "fsopen.no_such_fs",
        },
        {"path.mask_real": "not_applicable", **opened("kern.io_uring", "seccomp.abi", "key.quota", *REACHING)},
        spec=flags("--privileged"),
        user="other",
    ),
)
