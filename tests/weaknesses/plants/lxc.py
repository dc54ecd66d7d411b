"""Plants for LXC: keys of lxc.container.conf(5), after those of common.conf and the role."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from argument_lists import nsenter, replaced, with_descriptor
from ground import Ground
from plant import (
    MAY_MOUNT,
    OTHERS_LINKS,
    PROC_SYS,
    SYSRQ,
    Make,
    Plant,
    flags,
    opened,
)

from provisioner.sandboxes.sandbox import Sandbox

LXC = ("lxc",)
UNPRIVILEGED = ("lxc-unprivileged",)
BOTH = (*LXC, *UNPRIVILEGED)
# On v1 LXC mounts its cgroups, writable, only for one that has no cgroup namespace or may not mount them itself.
V1 = "/sys/fs/cgroup/memory"
MOUNTED = ("path.cgroup_ro", "lim.cgroup_leave") if Path(V1).exists() else ()
# what only the host's root may do with them, and LXC keeps from nobody
KERNEL_FILES = ("path.binfmt", "path.bus_irq_fs", "path.kallsyms", "path.kmsg")
COMMON = "/usr/share/lxc/config/common.conf"
# Pod Security Standards, baseline
FEW = (
    "audit_write chown dac_override fowner fsetid kill mknod net_bind_service setfcap setgid setpcap setuid sys_chroot"
)


def define(*pairs: str) -> Mapping[str, Any]:
    """Return a Spec with further keys."""
    return flags(*(word for pair in pairs for word in ("--define", pair)))


def joined(kind: str) -> Make:
    """Return a Spec that joins one of the peer's namespaces."""
    return lambda ground: define(f"lxc.namespace.share.{kind}={ground.peer_pid}")


def keep(kind: str) -> Mapping[str, Any]:
    """Return a Spec that leaves it in the host's namespace of that kind; what is not kept is made, a user's too."""
    return define(f"lxc.namespace.keep=user {kind}")


def attach_with(*more: str) -> Callable[[Ground, Sandbox], list[str]]:
    """Return lxc-attach with further arguments."""
    return lambda ground, sandbox: [*(ground.runtime.exec or ())[:1], *more, *(ground.runtime.exec or ())[1:]]


def bound(source: Path | str, target: str, options: str = "bind,ro") -> str:
    """Return the key that binds a path of the host; `target` is there in the rootfs, or is made below /dev, a tmpfs."""
    return f"lxc.mount.entry={source} {target} none {options} 0 0"


def loop_node(ground: Ground, *more: str) -> Mapping[str, Any]:
    """Return a Spec with the node of a loop device of the test's own."""
    device = ground.loop_device()
    minor = device.removeprefix("/dev/loop")
    return define(
        "lxc.mount.entry=", bound(device, "dev/disk", "bind,create=file"), *(key.format(minor) for key in more)
    )


BASES: dict[tuple[str, str], Make] = {
    ("lxc", "user"): define("lxc.init.uid=1000", "lxc.init.gid=1000"),
    ("lxc", "few capabilities"): define("lxc.cap.drop=", f"lxc.cap.keep={FEW}"),
    ("lxc", "nnp"): define("lxc.no_new_privs=1"),
    ("lxc", "no fuse"): define("lxc.mount.entry="),
}

# lxc-start waits for its first process alone, and cannot remove the cgroup as long as others are in it
OUTLIVED = {"ns.pid.reap": "there still run process", "run.no_residue": "the cgroup"}
TIME = {"ns.time": "holds"}  # one is made where others are kept by name, and for an offset
RULED = ("kern.bpf", "kern.perf", "kern.userfaultfd", "kern.mount_api", "kern.swap_acct_quota", "kern.fanotify")
PLANTS = (
    # namespaces
    Plant(
        "lxc.namespace.keep=pid",
        LXC,
        {
            "ns.pid": "host's pid namespace",
            "ns.pid.procfs": "host's pid namespace",
            "sig.outside": "signal the host's process",
            "sig.peer": "signal its peer's process",
            **OUTLIVED,
        },
        {**TIME, **opened("kern.kexec_reboot", "ptrace.outside")},
        spec=keep("pid"),
        ends=True,
    ),
    Plant(
        "lxc.net.0.type=none",
        LXC,
        {"ns.net": "host's network namespace", "ipc.abstract": "it connects to the host's @"},
        spec={**define("lxc.mount.entry="), "network": "host"},
        apart=OTHERS_LINKS,
        base="no fuse",  # a sysfs of the host's network is the host's sysfs, and so are its parts
    ),
    *(
        Plant(f"lxc.namespace.keep={kind}", LXC, {f"ns.{kind}": "host's"}, {**also, **TIME}, spec=keep(kind))
        for kind, also in (("ipc", opened("ipc.sysv_mq")), ("uts", {}), ("cgroup", opened(*MOUNTED)))
    ),
    *(
        Plant(
            f"lxc.namespace.share.{kind}=PEER",
            LXC,
            {"ns.peer": f"its {kind} namespace", **opens},
            also,
            spec=joined(kind),
            ends=True,  # its peer is no residue
        )
        for kind, opens, also in (
            ("pid", OUTLIVED, opened("sig.peer", "ptrace.outside")),
            ("ipc", {}, {}),
            ("uts", {}, {}),
        )
    ),
    Plant(
        "lxc.namespace.share.net=PEER",
        LXC,
        {"ns.peer": "its net namespace", "net.peer_same": "its peer's token"},
        spec=joined("net"),
        reach=True,
    ),
    # users
    Plant(
        "the default user",
        LXC,
        {"user.nonroot": "uid 0 inside", "cap.baseline": "SYS_ADMIN"},
        # another user's process has none in effect; lxc-attach enters as root all the same
        {
            **opened("cap.net_raw", "cap.sys_admin", "cap.mknod", "cap.rawio_boot_time", *KERNEL_FILES),
            **opened("cap.sys_ptrace", "cap.net_admin", "cap.dac_read_search", "cap.bpf_perfmon", *RULED),
            **opened("path.release_agent"),
            **dict.fromkeys(("cap.exec_parity", "proc.exec_parity"), "holds"),
        },
        base="user",
    ),
    Plant("lxc.init.groups=6", LXC, {"user.groups": "groups 6"}, spec=define("lxc.init.groups=6")),
    # capabilities and no_new_privs
    Plant(
        "lxc.cap.drop cleared",
        LXC,
        {"cap.bounding": "SYS_MODULE", "cap.sys_module": "CAP_SYS_MODULE"},
        opened("time.set"),
        spec=define("lxc.cap.drop="),
    ),
    *(
        Plant(
            f"lxc.cap.keep={name.lower()}",
            LXC,
            {"cap.baseline": name, **more},
            also,
            spec=define("lxc.cap.drop=", f"lxc.cap.keep={FEW} {name.lower()}"),
            base="few capabilities",
        )
        for name, more, also in (
            (
                "SYS_ADMIN",
                {"cap.sys_admin": "CAP_SYS_ADMIN", **MAY_MOUNT},
                {
                    **dict.fromkeys(MOUNTED, "holds"),
                    **opened(*(check for check in RULED if check != "kern.userfaultfd")),
                },
            ),
            ("SYS_MODULE", {"cap.sys_module": "CAP_SYS_MODULE", "cap.bounding": "SYS_MODULE"}, {}),
            ("NET_RAW", {"cap.net_raw": "socket.packet_raw"}, {}),
        )
    ),
    Plant("lxc.no_new_privs left out", LXC, {"nnp.set": "no_new_privs is off"}, opened("nnp.setuid"), base="nnp"),
    # kernel files
    Plant("lxc.mount.auto=proc:rw", LXC, {**PROC_SYS, **SYSRQ}, spec=define("lxc.mount.auto=proc:rw")),
    Plant("lxc.mount.auto=sys:rw", LXC, {"path.sys_ro": "writable"}, spec=define("lxc.mount.auto=sys:rw")),
    Plant(
        "lxc.mount.auto=cgroup:rw:force",
        LXC,
        {"path.cgroup_ro": "cgroup.procs of /sys/fs/cgroup", "lim.cgroup_leave": "it may raise its own limits"},
        spec=define("lxc.mount.auto=cgroup:rw:force"),
        needs=V1,
    ),
    # devices
    Plant(
        "a strange node",
        LXC,
        {"dev.nodes": "/dev/other"},
        spec=define("lxc.mount.entry=", bound("/dev/zero", "dev/other", "bind,create=file")),
        base="no fuse",
    ),
    Plant(
        "a loop device",
        LXC,
        {"dev.nodes": "/dev/disk", "dev.block": "/dev/disk opens for reading"},
        spec=lambda ground: loop_node(
            ground, "lxc.cgroup.devices.allow=b 7:{} r", "lxc.cgroup2.devices.allow=b 7:{} r"
        ),
        base="no fuse",
        needs="/dev/loop-control",
    ),
    Plant(
        "a loop device that its cgroup refuses",
        LXC,
        {"dev.nodes": "/dev/disk"},
        spec=loop_node,
        base="no fuse",
        needs="/dev/loop-control",
    ),
    # mounts and descriptors
    *(
        Plant(
            f"the host's {path} bound",
            LXC,
            {"mnt.host_paths": f"/{target} is the host's {path}"},
            opened("mnt.locked_ro"),  # it keeps CAP_SYS_ADMIN
            spec=define("lxc.mount.entry=", bound(path, target)),
            base="no fuse",
        )
        for path, target in (("/etc", "usr"), ("/usr", "usr"), ("/var/log", "run"))
    ),
    Plant(
        "a descriptor handed down",
        LXC,
        {"fd.inherited": "descriptors 3 (", "fd.outside_dir": "descriptor 3 is a folder outside"},
        overlay=lambda ground: {"create": with_descriptor(ground.runtime.create, ground.directory("given"))},
    ),
    # the runtime's own exec, changed
    Plant(
        "exec by nsenter",
        LXC,
        {"cap.exec_parity": "SYS_MODULE", "seccomp.exec_parity": "has seccomp mode 0, the first one 2"},
        exec=nsenter,
    ),
    Plant(
        "lxc-attach --elevated-privileges",
        LXC,
        {"cap.exec_parity": "SYS_MODULE", "seccomp.exec_parity": "has seccomp mode 0, the first one 2"},
        exec=attach_with("--elevated-privileges"),
    ),
    Plant(
        "a configuration without common.conf",
        LXC,
        {
            "cap.bounding": "SYS_MODULE",
            "cap.sys_module": "CAP_SYS_MODULE",
            "seccomp.mode": "no seccomp filter (mode 0)",
            "seccomp.abi": "no filter is installed",
            "dev.cgroup": "opens",
        },
        {"mnt.host_paths": "holds", **opened("time.set")},
        spec=define("lxc.mount.auto=proc:mixed sys:mixed"),
        overlay=lambda ground: {"create": replaced(ground.runtime.create, COMMON, "/dev/null")},
    ),
    # look-alikes
    Plant(
        "an innocent file",
        BOTH,
        spec=lambda ground: define(bound(ground.file("data"), "dev/data", "bind,ro,create=file")),
    ),
    Plant(
        "a tree that looks like the host's root",
        BOTH,
        spec=lambda ground: define(bound(ground.directory("etc", "passwd"), "run", "bind")),
    ),
    Plant(
        "a shared bind, which LXC makes its own",
        LXC,
        spec=lambda ground: define(bound(ground.shared_folder(), "run", "bind,rshared")),
    ),
    Plant("a tmpfs of its own", BOTH, spec=define("lxc.mount.entry=tmpfs tmp tmpfs size=1m 0 0")),
    Plant("a default device once more", BOTH, spec=define(bound("/dev/zero", "dev/zero", "bind,create=file"))),
    Plant("a name of its own", BOTH, spec=define("lxc.uts.name=localhost")),
    Plant("a clock of its own", LXC, {}, TIME, spec=define("lxc.time.offset.boot=1h")),
    Plant("a capability dropped", LXC, spec=define("lxc.cap.drop=sys_tty_config")),
    Plant("its own group once more", LXC, spec=define("lxc.init.groups=0")),
    Plant("the caller's keyring", BOTH, spec=define("lxc.keyring.session=0")),
    Plant("a cgroup one level deeper", LXC, spec=define("lxc.cgroup.dir.container.inner=inner")),
    # in a user namespace
    Plant(
        "no lxc.idmap",
        UNPRIVILEGED,
        {
            "ns.user": "host's user namespace",
            "user.root_mapped": "runs as the host's root",
            "cap.baseline": "SYS_ADMIN",
        },
        opened(
            *("cap.sys_admin", "cap.sys_module", "cap.sys_ptrace", "cap.net_admin", "cap.dac_read_search", "cap.mknod"),
            *(
                "cap.rawio_boot_time",
                "cap.bpf_perfmon",
                "time.set",
                "dev.cgroup",
                "mnt.layers",
                "path.release_agent",
                *KERNEL_FILES,
            ),
            *(check for check in RULED if check != "kern.mount_api"),
        ),
        spec=define("lxc.idmap="),
    ),
    Plant(
        "root mapped to root",
        UNPRIVILEGED,
        {"user.root_mapped": "root", "path.bus_irq_fs": "opens for writing"},
        {**opened("mnt.layers", "user.setgroups"), "user.range_disjoint": "holds"},
        spec=define("lxc.idmap=", "lxc.idmap=u 0 0 1", "lxc.idmap=g 0 0 1"),
    ),
    Plant("lxc.mount.auto=proc:rw, which file modes keep", UNPRIVILEGED, spec=define("lxc.mount.auto=proc:rw")),
)
