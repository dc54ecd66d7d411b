"""Plants for podman."""

from __future__ import annotations

from argument_lists import exec_with, with_descriptor
from plant import (
    MAY_MOUNT,
    ON_V1,
    OTHERS_LINKS,
    PROC_SYS,
    RULES_KERNEL,
    SYSLOG,
    SYSRQ,
    UNMASKED,
    Make,
    Plant,
    flags,
    from_version,
    limited,
    opened,
)

PODMAN = ("podman",)
USERNS = ("--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536")


# what --privileged lets in of this host, by number
REACHING = {"dev.kvm_vhost": "/dev/kvm opens", "dev.fuse_tun": "/dev/fuse opens"}

# what the capability opens whatever the version
ADMIN = {
    "cap.bounding": "SYS_ADMIN",
    "cap.baseline": "SYS_ADMIN",
    "cap.sys_admin": "CAP_SYS_ADMIN",
    "seccomp.dangerous": "quotactl",
    **MAY_MOUNT,
    **{check: fragment for check, fragment in RULES_KERNEL.items() if check != "kern.perf"},
}

# runc leaves the folder of cgroup v1 writable, which podman declares read-only; with --privileged it does not
DECLARED = {"run.as_declared": "holds"} if ON_V1 else {}

BASES: dict[tuple[str, str], Make] = {("podman", "userns"): flags(*USERNS)}

PLANTS = (
    # namespaces
    Plant(
        "--network=host",
        PODMAN,
        {"ns.net": "host's network namespace", "ipc.abstract": "it connects to the host's @"},
        spec={"network": "host"},
        apart=OTHERS_LINKS,
    ),
    # the runtime's own exec, changed
    Plant(
        "--user without a group, to which podman adds one",  # documented: roles/podman/expected.yaml
        PODMAN,
        {"proc.exec_parity": "is also in the group of its user's number, 1000"},
        spec=flags("--user", "1000"),
        base="user",
    ),
    Plant(
        "--user without a group, and --passwd=false",
        PODMAN,
        {},
        spec=flags("--user", "1000", "--passwd=false"),
        base="user",
    ),
    Plant(
        "exec --privileged",
        PODMAN,
        {"cap.exec_parity": "also holds AUDIT_CONTROL"},
        exec=exec_with("--privileged"),
    ),
    # capabilities and no_new_privs
    *from_version(
        "5.2",  # whose profile allows perf_event_open only with CAP_PERFMON too: containers/common daa81f13 (0.60)
        Plant("--cap-add=SYS_ADMIN", PODMAN, {**ADMIN, **RULES_KERNEL}, spec=flags("--cap-add", "SYS_ADMIN")),
        opens=ADMIN,
    ),
    Plant(
        "--cap-add=SYS_ADMIN in a user namespace, which is none over the host",
        PODMAN,
        {"cap.bounding": "SYS_ADMIN", "seccomp.dangerous": "quotactl", "kern.mount_api": "fsopen.no_such_fs"},
        spec=flags(*USERNS, "--cap-add", "SYS_ADMIN"),
        base="userns",
    ),
    Plant(
        "--cap-add=SYS_MODULE",
        PODMAN,
        {"cap.bounding": "SYS_MODULE", "cap.baseline": "SYS_MODULE", "cap.sys_module": "CAP_SYS_MODULE"},
        spec=flags("--cap-add", "SYS_MODULE"),
    ),
    Plant(
        "--cap-add=NET_RAW",
        PODMAN,
        {"cap.net_raw": "socket.packet_raw", "cap.baseline": "NET_RAW", "cap.bounding": "NET_RAW"},
        spec=flags("--cap-add", "NET_RAW"),
    ),
    # kernel files
    Plant(
        "unmask=ALL",
        PODMAN,
        {**PROC_SYS, **SYSRQ, **UNMASKED},
        {"path.mask_real": "not_applicable"},
        spec=flags("--security-opt", "unmask=ALL"),
    ),
    Plant(
        "unmask=/sys/firmware and a folder there",
        PODMAN,
        {"path.mask_real": "the mask over /sys/firmware is a folder that is no tmpfs"},
        spec=lambda ground: flags(
            *("--security-opt", "unmask=/sys/firmware"), "-v", f"{ground.directory('firmware', 'a')}:/sys/firmware"
        ),
        needs="/sys/firmware",
    ),
    Plant(
        "--systemd=always",
        PODMAN,
        {"path.cgroup_ro": "cgroup.procs of /sys/fs/cgroup/systemd"},
        opened("lim.cgroup_leave"),  # systemd's hierarchy begins above its own cgroup
        spec=flags("--systemd=always"),
    ),
    Plant(
        "--privileged",
        PODMAN,
        {
            "cap.bounding": "SYS_ADMIN",
            "cap.baseline": "SYS_ADMIN",
            "cap.sys_admin": "CAP_SYS_ADMIN",
            "cap.sys_module": "CAP_SYS_MODULE",
            "cap.net_raw": "socket.packet_raw",
            "seccomp.mode": "no seccomp filter",
            "seccomp.dangerous": "no filter is installed",
            "path.sys_ro": "/sys is mounted writable",
            "path.cgroup_ro": "cgroup.procs of",
            "lim.cgroup_leave": "it may raise its own limits",
            "dev.nodes": "it also has /dev/",
            "dev.block": "opens for reading",
            "dev.cgroup": "",
            **REACHING,
            **PROC_SYS,
            **SYSRQ,
            **UNMASKED,
            **MAY_MOUNT,
            **RULES_KERNEL,
            **SYSLOG,
        },
        {
            "path.mask_real": "not_applicable",
            **DECLARED,
            **opened("cap.sys_ptrace", "cap.net_admin", "cap.dac_read_search", "cap.mknod", "cap.rawio_boot_time"),
            **opened(
                "kern.userfaultfd", "kern.io_uring", "kern.swap_acct_quota", "time.set", "seccomp.abi", "key.quota"
            ),
        },
        spec=flags("--privileged"),
    ),
    Plant(
        "no user namespace",
        PODMAN,
        {
            "ns.user": "host's user namespace",
            "user.root_mapped": "runs as the host's root",
            "user.range_disjoint": "the host's own",
        },
        base="userns",
    ),
    Plant("the default user", PODMAN, {"user.nonroot": "uid 0 inside"}, base="user"),
    Plant(
        "--preserve-fds",
        PODMAN,
        {"fd.inherited": "descriptors 3 (", "fd.outside_dir": "descriptor 3 is a folder outside"},
        spec=flags("--preserve-fds", "1"),
        overlay=lambda ground: {"create": with_descriptor(ground.runtime.create, ground.directory("given"))},
    ),
    *(
        Plant(
            f"{name} limit refused",
            PODMAN,
            {f"lim.{name}": fragment},
            limit=name,
            verdict="refused",
            overlay=limited(name, flags=list(words)),
        )
        for name, fragment, words in (
            ("memory", "memory", ("--memory", "1b")),
            ("cpu", "many", ("--cpus", "many")),
            ("pids", "many", ("--pids-limit", "many")),
        )
    ),
)
