"""Plants for runc and crun: edits of the config.json that `runc spec` and `crun spec` write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from argument_lists import exec_with, nsenter, with_descriptor
from ground import Ground
from oci_edits import append, bind, drop_namespace, grant, join_namespace, put
from plant import (
    HOST_CPUS,
    LARGER_QUOTA,
    MAY_MOUNT,
    MAY_SPARE,
    ON_V1,
    OTHERS_LINKS,
    RULES_KERNEL,
    Make,
    Plant,
    edits,
    flags,
    limited,
    limited_beside,
    limits_left_out,
    opened,
)
from profiles import CALLS, IN_PART, deny_list, docker_profile

from provisioner.sandboxes.sandbox import Sandbox

RUNC = ("runc", "crun")
RULES = {**MAY_MOUNT, **RULES_KERNEL, "kern.swap_acct_quota": "swapon.null"}  # no filter stands before it
MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]
USERNS = (append("linux.namespaces", {"type": "user"}), put("linux.uidMappings", MAP), put("linux.gidMappings", MAP))


def joined(kind: str, name: str) -> Make:
    """Return a Spec that joins one of the peer's namespaces, in OCI's words; `name` is that of /proc/PID/ns."""
    return lambda ground: edits(join_namespace(kind, f"/proc/{ground.peer_pid}/ns/{name}"))


def larger_shm(ground: Ground) -> Mapping[str, Any]:
    """Return the overlay that keeps the size of /dev/shm, which is a little larger than what is asked for."""
    mounts = str(ground.runtime.limits["shm"].config["mounts"]).replace("% bytes", "% (bytes + 65536)")
    return {"limits": {"shm": {"config": {"mounts": mounts}}}}


def runc_profile(allowed: str = "", errno: int = 1) -> Make:
    """Return a Spec with a profile that refuses every dangerous call but one; `runc spec` writes none at all."""
    return edits(put("linux.seccomp", docker_profile(allowed, errno)))


def exec_below(ground: Ground, sandbox: Sandbox) -> list[str]:
    """Return runc's exec into a cgroup below the sandbox's own."""
    ground.sub_cgroup(sandbox, "pids", "below")
    return exec_with("--cgroup", "pids:below")(ground, sandbox)


_SOUND: dict[str, Make] = {
    "cgroupns": edits(append("linux.namespaces", {"type": "cgroup"})),
    "user": edits(put("process.user", {"uid": 1000, "gid": 1000})),
    "userns": edits(*USERNS),
    "profile": runc_profile(),
}
BASES = {(runtime, name): make for runtime in RUNC for name, make in _SOUND.items()}

PLANTS = (
    # namespaces
    *(
        Plant(
            "no pid namespace",
            (runtime,),
            {
                "ns.pid": "host's pid namespace",
                "ns.pid.procfs": "host's pid namespace",
                "sig.outside": "signal the host's process",
                "sig.peer": "signal its peer's process",
                "ptrace.outside": "with its own user and no capability",
                **survive,
            },
            spec=edits(drop_namespace("pid")),
            ends=True,
        )
        # runc ends what is left in the cgroup itself (utils_linux.go, destroy), crun waits for its first process alone
        for runtime, survive in (("runc", {}), ("crun", {"ns.pid.reap": "there still run process"}))
    ),
    Plant(
        "no net namespace",
        RUNC,
        {"ns.net": "host's network namespace", "ipc.abstract": "it connects to the host's @"},
        spec=edits(drop_namespace("network")),
        apart=OTHERS_LINKS,
    ),
    Plant(
        "no ipc namespace",
        RUNC,
        {"ns.ipc": "host's IPC namespace", "ipc.sysv_mq": "segment is there"},
        spec=edits(drop_namespace("ipc")),
    ),
    Plant(
        "no uts namespace",
        RUNC,
        {"ns.uts": "host's UTS namespace"},
        spec=edits(drop_namespace("uts"), put("hostname", "")),
    ),
    Plant("no cgroup namespace", RUNC, {"ns.cgroup": "host's cgroup namespace"}, base="cgroupns"),
    *(
        Plant(
            f"the peer's {kind} namespace",
            RUNC,
            {"ns.peer": f"its {name} namespace"},
            spec=joined(kind, name),
            also=opened("ns.exec_parity", "sig.peer", "ptrace.outside")
            if kind == "pid"
            else {},  # its peer's tasks are among its own
            ends=True,  # its peer is no residue
        )
        for kind, name in (("pid", "pid"), ("ipc", "ipc"), ("uts", "uts"))
    ),
    Plant(
        "the peer's network namespace",
        RUNC,
        {"ns.peer": "its net namespace", "net.peer_same": "its peer's token"},
        spec=joined("network", "net"),
        reach=True,
    ),
    Plant(
        "the host's /proc bound",
        RUNC,
        {"ns.pid.procfs": "the host's own, mounted again", "mnt.host_paths": "/proc is the host's /proc"},
        # the host's has the options that runc's lacks, and shows its peer
        {"mnt.flags": "holds", "ptrace.outside": "open"},
        spec=edits(
            lambda config: config["mounts"].__setitem__(
                0, {"destination": "/proc", "type": "bind", "source": "/proc", "options": ["bind", "ro"]}
            )
        ),
    ),
    # the runtime's own exec, changed
    Plant(
        "exec by nsenter",
        RUNC,
        {"ns.exec_parity": "another cgroup", "cap.exec_parity": "also holds AUDIT_CONTROL"},
        also={"proc.exec_parity": "open"},
        apart=("proc.exec_limits",),  # the exec of crun has the host's limits too
        exec=nsenter,
    ),
    Plant("exec --cap", RUNC, {"cap.exec_parity": "SYS_PTRACE"}, exec=exec_with("--cap", "CAP_SYS_PTRACE")),
    Plant(
        "exec --cgroup",
        RUNC,
        {"ns.exec_parity": "another cgroup"},
        exec=exec_below,
        needs="/sys/fs/cgroup/pids",
    ),
    # users
    Plant(
        "a group of the host", RUNC, {"user.groups": "groups 6"}, spec=edits(put("process.user.additionalGids", [6]))
    ),
    # capabilities and no_new_privs
    Plant(
        "CAP_SYS_ADMIN in a user namespace, which is none over the host",
        RUNC,
        {"cap.bounding": "SYS_ADMIN", "kern.mount_api": "fsopen.no_such_fs"},
        spec=edits(*USERNS, grant("bounding", "permitted", "effective", names=["SYS_ADMIN"])),
        base="userns",
    ),
    Plant(
        "a wider bounding set",
        RUNC,
        {"cap.bounding": "SYS_PTRACE"},
        spec=edits(grant("bounding", names=["SYS_PTRACE"])),
    ),
    Plant(
        "permitted, not in effect",
        RUNC,
        {"cap.bounding": "LINUX_IMMUTABLE", "cap.baseline": "LINUX_IMMUTABLE"},
        spec=edits(grant("bounding", "permitted", names=["LINUX_IMMUTABLE"])),
    ),
    *(
        Plant(
            f"CAP_{name} granted",
            RUNC,
            {"cap.bounding": name, "cap.baseline": name, check: reason, **(RULES if name == "SYS_ADMIN" else {})},
            spec=edits(grant("bounding", "permitted", "effective", names=[name])),
        )
        for name, check, reason in (
            ("SYS_ADMIN", "cap.sys_admin", "CAP_SYS_ADMIN"),
            ("SYS_MODULE", "cap.sys_module", "CAP_SYS_MODULE"),
            ("NET_RAW", "cap.net_raw", "socket.packet_raw"),
        )
    ),
    Plant("noNewPrivileges: false", RUNC, {"nnp.set": "off"}, spec=edits(put("process.noNewPrivileges", False))),
    # seccomp
    Plant(
        "no linux.seccomp",
        RUNC,
        {
            "seccomp.mode": "no seccomp filter (mode 0)",
            "seccomp.dangerous": "no filter is installed",
            "seccomp.abi": "no filter is installed",
            "seccomp.sockets": "opens AF_VSOCK",
        },
        opened("key.quota", "kern.io_uring", "user.nested_userns"),
        base="profile",
    ),
    # limits
    *(
        Plant(
            f"{name} limit a little too large",
            RUNC,
            {f"lim.{name}": fragment},
            limit=name,
            verdict="ignored",
            overlay=limited(name, config={key: template}),
        )
        for name, fragment, key, template in (
            (
                "memory",
                "the cgroup shows 67112960 bytes",
                "linux.resources.memory",
                "{{ {'limit': bytes + 4096, 'swap': bytes + 4096} }}",
            ),
            ("cpu", LARGER_QUOTA, "linux.resources.cpu", "{{ {'quota': quota + 10000, 'period': period} }}"),
            ("pids", "a limit of 33 tasks", "linux.resources.pids", "{{ {'limit': count + 1} }}"),
            (
                "files",
                "its hard limit is 257 open files",
                "process.rlimits",
                "{{ [{'type': 'RLIMIT_NOFILE', 'hard': count + 1, 'soft': count}] }}",
            ),
            (
                "core",
                "its hard limit is 1048577 for a core file",
                "process.rlimits",
                "{{ [{'type': 'RLIMIT_CORE', 'hard': bytes + 1, 'soft': bytes}] }}",
            ),
        )
    ),
    Plant(
        "cpuset of one processor more",
        RUNC,
        {"lim.cpuset": "its cpuset has "},
        limit="cpuset",
        verdict="ignored",
        overlay=limited("cpuset", config={"linux.resources.cpu.cpus": "0-1"}),
        when=HOST_CPUS > 1,
    ),
    Plant(
        "shm limit a little too large",
        RUNC,
        {"lim.shm": "its /dev/shm has 8454144"},
        limit="shm",
        verdict="ignored",
        overlay=larger_shm,
    ),
    Plant(
        "spared by the OOM killer",
        RUNC,
        {"lim.oom_scope": "oom_score_adj=-500"},
        spec=edits(put("process.oomScoreAdj", -500)),
        when=MAY_SPARE,
    ),
    Plant(
        "no OOM killer",
        ("runc",),
        {"lim.oom_scope": "oom_kill_disable=1"},
        spec=edits(put("linux.resources.memory", {"limit": 64 << 20, "disableOOMKiller": True})),
        apart=("lim.tmpfs",),  # its memory limit bounds what has no size
        when=ON_V1,
    ),
    Plant(
        "a tmpfs without a size",
        ("crun",),
        {"lim.tmpfs": "/tmp/scratch: no size"},
        spec=edits(
            append("mounts", {"destination": "/tmp/scratch", "type": "tmpfs", "source": "tmpfs", "options": []})
        ),
    ),
    Plant(
        "memory limit without swap",
        RUNC,
        {"lim.swap": "memory and swap get no limit together"},
        limit="swap",
        verdict="ignored",
        overlay=limited_beside("swap", {"config": {"linux.resources.memory": "{{ {'limit': bytes} }}"}}, {}),
    ),
    Plant(
        "swap limit a little too large",
        RUNC,
        {"lim.swap": "memory and swap get 67112960 together"},
        limit="swap",
        verdict="ignored",
        overlay=limited_beside(
            "swap",
            {"config": {"linux.resources.memory": "{{ {'limit': bytes} }}"}},
            {"config": {"linux.resources.memory.swap": "{{ bytes + 4096 }}"}},
        ),
    ),
    Plant(
        "cpu limit refused",
        RUNC,
        {"lim.cpu": "cpu.cfs_qu"},
        limit="cpu",
        verdict="refused",
        overlay=limited("cpu", config={"linux.resources.cpu": "{{ {'quota': 10, 'period': period} }}"}),
    ),
    # look-alikes
    Plant("an innocent file", RUNC, spec=lambda ground: edits(bind(ground.file("data"), "/data", "ro"))),
    Plant("a slave bind", RUNC, spec=lambda ground: edits(bind(ground.shared_folder(), "/d", "rslave"))),
    Plant("a rootfs shared within", RUNC, spec=edits(put("linux.rootfsPropagation", "slave"))),
    Plant("a host name of the peer's", RUNC, spec=edits(put("hostname", "peer"))),
    Plant("its own group once more", RUNC, spec=edits(put("process.user.additionalGids", [0]))),
    Plant(
        "no user namespace",
        RUNC,
        {
            "ns.user": "host's user namespace",
            "user.root_mapped": "runs as the host's root",
            "user.range_disjoint": "the host's own",
        },
        opened("key.quota"),
        base="userns",
    ),
    Plant("the default user", ("runc",), {"user.nonroot": "uid 0 inside"}, base="user"),
    Plant(  # crun 1.8.1 execs as root, whoever the first process is, and with capabilities that it has not
        "the default user",
        ("crun",),
        {"user.nonroot": "uid 0 inside"},
        base="user",
        also={"cap.exec_parity": "holds", "proc.exec_parity": "holds"},
    ),
    Plant(  # crun is started by `probe launch`, which closes descriptors
        "--preserve-fds",
        ("runc",),
        {"fd.inherited": "descriptors 3 (", "fd.outside_dir": "descriptor 3 is a folder outside"},
        spec=flags("--preserve-fds", "1"),
        overlay=lambda ground: {"create": with_descriptor(ground.runtime.create, ground.directory("given"))},
    ),
    *(
        Plant(
            f"a profile that allows {call}",
            RUNC,
            {"seccomp.dangerous": call},
            also=opened("key.quota") if call == "add_key" else {},
            spec=runc_profile(allowed=call),
            base="profile",
        )
        for call in CALLS
    ),
    *(
        Plant(
            f"a profile that allows {label}",
            RUNC,
            {"seccomp.dangerous": label},
            also=opened("seccomp.sockets") if label == "socket(AF_VSOCK)" else {},
            spec=runc_profile(allowed=label),
            base="profile",
        )
        for label in (*IN_PART, "clone3")
    ),
    Plant(
        "a profile that allows by default",
        RUNC,
        {"seccomp.dangerous": "the filter allows by default every call that it does not name"},
        spec=edits(put("linux.seccomp", deny_list())),
        base="profile",
    ),
    *(
        Plant(f"a filter that answers {name}", RUNC, spec=runc_profile(errno=errno), base="profile")
        for name, errno in (("ENOSYS", 38), ("EACCES", 13))
    ),
    *limits_left_out(*RUNC),
)
