"""Plants for docker and podman, with options that both have."""

from __future__ import annotations

from collections.abc import Mapping

from argument_lists import nsenter
from plant import (
    HOST_CPUS,
    LARGER_QUOTA,
    MAY_SPARE,
    ON_V1,
    Make,
    Plant,
    alone,
    flags,
    from_version,
    limited,
    limited_beside,
    limits_left_out,
    opened,
)
from profiles import CALLS, IN_PART

ENGINES = ("docker", "podman")


def profiled(*more: str, errno: int = 1, allowed: str = "") -> Make:
    """Return a Spec with a profile that refuses every dangerous call but one."""
    return lambda ground: {"flags": (*more, "--security-opt", f"seccomp={ground.profile(allowed, errno)}")}


def beside_peer(kind: str) -> Make:
    """Return a Spec that joins one of the peer's namespaces, in the engines' words."""
    return lambda ground: flags(f"--{kind}=container:{ground.peer.name}")


# The engines' profiles refuse to look into processes of other profiles, and let pass those of their own: "ptrace
# (trace,read,tracedby,readby) peer={{.Name}}" in moby's profiles/apparmor/template.go, and in containers/common's
# pkg/apparmor/apparmor_linux_template.go.
LOOKS_AT_OWN = {"ptrace.outside": "of its peer's process"}

BASES: dict[tuple[str, str], Make] = {
    **{(engine, "cgroupns"): flags("--cgroupns=private") for engine in ENGINES},
    **{(engine, "user"): flags("--user", "1000:1000") for engine in ENGINES},
    **{(engine, "nnp"): flags("--security-opt", "no-new-privileges") for engine in ENGINES},
    **{(engine, "host's network"): {"network": "host"} for engine in ENGINES},
    **{(engine, "profile"): profiled() for engine in ENGINES},
}

UNCONFINED = {
    "seccomp.mode": "no seccomp filter (mode 0)",
    "seccomp.dangerous": "no filter is installed",
    "seccomp.abi": "no filter is installed",
}
NESTED = {"user.nested_userns": "user namespace"}
IO_URING = {"kern.io_uring": "io_uring_setup is reached"}


def _unconfined(engine: str, more: Mapping[str, str]) -> Plant:
    return Plant(
        "seccomp=unconfined",
        (engine,),
        {**UNCONFINED, **more},
        also=opened("key.quota"),
        spec=flags("--security-opt", "seccomp=unconfined"),
        where="both",
    )


def _allowing(engine: str, also: Mapping[str, str]) -> Plant:
    return Plant(
        "a profile that allows by default",
        (engine,),
        {"seccomp.dangerous": "the filter allows by default every call that it does not name"},
        also=also,
        spec=lambda ground: {"flags": ("--security-opt", f"seccomp={ground.deny_list()}")},
        base="profile",
    )


PLANTS = (
    # namespaces
    Plant(
        "--pid=host",
        ENGINES,
        {
            "ns.pid": "host's pid namespace",
            "ns.pid.procfs": "host's pid namespace",
            "sig.outside": "signal the host's process",
            "sig.peer": "signal its peer's process",
            "ptrace.outside": "with its own user and no capability",
        },
        spec=flags("--pid=host"),
        ends=True,  # ns.pid.reap holds: containerd's shim and runc signal all that is in the cgroup
        where="both",
        confined=LOOKS_AT_OWN,
    ),
    Plant(
        "--pid=host for another user, whom the uid keeps from signalling",
        ENGINES,
        {
            "ns.pid": "host's pid namespace",
            "ns.pid.procfs": "host's pid namespace",
            "ptrace.outside": "with its own user and no capability",
        },
        spec=flags("--pid=host", "--user", "1000:1000"),
        base="user",
    ),
    Plant(
        "--pid=host for two of one user",
        ENGINES,
        {
            "ns.pid": "host's pid namespace",
            "ns.pid.procfs": "host's pid namespace",
            "sig.peer": "signal its peer's process",
            "ptrace.outside": "with its own user and no capability",
        },
        spec=flags("--pid=host", "--user", "1000:1000"),
        base="user",
        planted_peer=True,
        confined=LOOKS_AT_OWN,
    ),
    Plant(
        "--ipc=host",
        ENGINES,
        {"ns.ipc": "host's IPC namespace", "ipc.sysv_mq": "segment is there", "dev.shm": "/dev/shm is the host's"},
        spec=flags("--ipc=host"),
    ),
    Plant("--uts=host", ENGINES, {"ns.uts": "host's UTS namespace"}, spec=flags("--uts=host")),
    Plant("--cgroupns=host", ENGINES, {"ns.cgroup": "cgroup"}, spec=flags("--cgroupns=host"), base="cgroupns"),
    *(
        Plant(
            f"--{kind}=container:PEER",
            ENGINES,
            {"ns.peer": f"its {kind} namespace"},
            spec=beside_peer(kind),
            also=opened("ns.exec_parity", "sig.peer", "ptrace.outside")
            if kind == "pid"
            else {},  # its peer's tasks are among its own
            peer=flags("--ipc=shareable"),
            ends=True,  # its peer is no residue
        )
        for kind in ("pid", "ipc")
    ),
    Plant(
        "--network=container:PEER",
        ENGINES,
        {"ns.peer": "its net namespace", "net.peer_same": "its peer's token"},
        spec=lambda ground: {"network": "private", "flags": ("--network", f"container:{ground.peer.name}")},
        reach=True,
    ),
    Plant(
        "-v /proc:/proc:ro",
        ENGINES,
        {"ns.pid.procfs": "the host's own, mounted again", "mnt.host_paths": "/proc is the host's /proc"},
        opened("ptrace.outside"),  # its peer is there to be looked into
        spec={"network": "host", "flags": ("-v", "/proc:/proc:ro")},
        base="host's network",  # elsewhere the engines set sysctls, which a read-only /proc refuses
    ),
    # the runtime's own exec, changed
    Plant(
        "exec by nsenter",
        ENGINES,
        {
            "ns.exec_parity": "another cgroup",
            "cap.exec_parity": "also holds AUDIT_CONTROL",
            "seccomp.exec_parity": "has seccomp mode 0, the first one 2",
        },
        apart=("proc.exec_limits",),  # where the host's limits are the container's
        exec=nsenter,
    ),
    # users
    Plant("--group-add disk", ENGINES, {"user.groups": "groups 6"}, spec=flags("--group-add", "6")),
    # capabilities and no_new_privs
    Plant(
        "no-new-privileges left out",
        ENGINES,
        {"nnp.set": "no_new_privs is off", "nnp.setuid": "setuid binaries count on /"},
        base="nnp",
    ),
    # seccomp
    *from_version(
        "25",  # whose profile has no io_uring any more: moby pull request 46762
        _unconfined("docker", NESTED),  # podman's own profile allows user namespaces within
        opens={**UNCONFINED, **NESTED, **IO_URING},
    ),
    _unconfined("podman", IO_URING),
    # kernel files
    Plant(
        "/dev/null is another device (CVE-2025-31133)",
        ENGINES,
        {"path.mask_real": "a char, not the null device", "dev.nodes": "/dev/null"},
        spec=flags("-v", "/dev/zero:/dev/null:ro"),
        mended_by="runc 1.2.8 and 1.3.3 look at what they mask with",
    ),
    # devices
    Plant(
        "--device a strange node", ENGINES, {"dev.nodes": "/dev/other"}, spec=flags("--device", "/dev/zero:/dev/other")
    ),
    Plant(
        "--device LOOP",
        ENGINES,
        {"dev.nodes": "/dev/disk", "dev.block": "/dev/disk opens for reading"},
        spec=lambda ground: flags("--device", f"{ground.loop_device()}:/dev/disk:r"),
        needs="/dev/loop-control",
    ),
    # mounts and descriptors
    *(
        Plant(
            f"-v {path}:/x:ro",
            ENGINES,
            {"mnt.host_paths": f"/x is the host's {path}"},
            spec=flags("-v", f"{path}:/x:ro"),
            where="both" if path == "/etc" else "here",
        )
        for path in ("/etc", "/usr", "/var/log")
    ),
    Plant(
        "another file in the place of one that engines give",
        ENGINES,
        {"mnt.host_paths": "/etc/hosts is the host's /etc/passwd"},
        spec=flags("-v", "/etc/passwd:/etc/hosts:ro"),
    ),
    Plant(
        "-v DIR:/d:rshared",
        ENGINES,
        {"mnt.propagation": "/d is in a peer group of the host's"},
        spec=lambda ground: flags("-v", f"{ground.shared_folder()}:/d:rshared"),
    ),
    # limits
    *(
        Plant(
            f"{name} limit a little too large",
            ENGINES,
            {f"lim.{name}": fragment},
            limit=name,
            verdict="ignored",
            overlay=limited(name, flags=list(words)),
            apart=("lim.tmpfs",) if name == "memory" else (),  # its memory limit bounds what has no size
        )
        for name, fragment, words in (
            ("memory", "bytes", ("--memory", "{{ bytes + 4096 }}", "--memory-swap", "{{ bytes + 4096 }}")),
            ("cpu", LARGER_QUOTA, ("--cpus", "{{ cpus + 0.1 }}")),
            ("pids", "a limit of 33 tasks", ("--pids-limit", "{{ count + 1 }}")),
            ("files", "its hard limit is 257 open files", ("--ulimit", "nofile={{ count }}:{{ count + 1 }}")),
            (
                "core",
                "its hard limit is 1048577 for a core file",
                ("--ulimit", "nofile=1024:1024", "--ulimit", "core={{ bytes }}:{{ bytes + 1 }}"),
            ),
            ("shm", "its /dev/shm has 8454144", ("--shm-size", "{{ bytes + 65536 }}")),
        )
    ),
    Plant(
        "memory limit without swap",
        ENGINES,
        {"lim.swap": "memory and swap get 134217728 together"},
        limit="swap",
        verdict="ignored",
        overlay=limited_beside("swap", {"flags": ["--memory", "{{ bytes }}"]}, {}),
        apart=("lim.tmpfs",),  # its memory limit bounds what has no size
        where="both",
    ),
    Plant(
        "cpuset of one processor more",
        ENGINES,
        {"lim.cpuset": "its cpuset has "},
        limit="cpuset",
        verdict="ignored",
        overlay=limited("cpuset", flags=["--cpuset-cpus", "0-1"]),
        when=HOST_CPUS > 1,
    ),
    Plant(
        "spared by the OOM killer",
        ENGINES,
        {"lim.oom_scope": "oom_score_adj=-500"},
        spec=flags("--oom-score-adj=-500"),
        when=MAY_SPARE,
    ),
    Plant(
        "no OOM killer",
        ENGINES,
        {"lim.oom_scope": "oom_kill_disable=1"},
        spec=flags("--oom-kill-disable", "--memory=64m"),
        apart=("lim.tmpfs",),  # its memory limit bounds what has no size
        when=ON_V1,
    ),
    Plant(
        "a tmpfs without a size",
        ENGINES,
        {"lim.tmpfs": "/scratch: no size"},
        spec=flags("--mount", "type=tmpfs,destination=/scratch"),
        when=not ON_V1,  # there runc's own at /sys/fs/cgroup has none
    ),
    Plant(
        "a tmpfs without a size at /dev/shm",
        ENGINES,
        {"lim.shm": "its /dev/shm has no limit"},
        opened("dev.shm"),
        apart=("mnt.flags",),  # podman makes it with exec
        limit="shm",
        verdict="ignored",
        overlay=limited("shm", flags=["--tmpfs", "/dev/shm"]),
    ),
    Plant(
        "swap without a limit",
        ENGINES,
        {"lim.swap": "memory and swap get no limit together"},
        limit="swap",
        verdict="ignored",
        overlay=limited_beside("swap", {"flags": ["--memory", "{{ bytes }}"]}, {"flags": ["--memory-swap", "-1"]}),
        apart=("lim.tmpfs",),  # its memory limit bounds what has no size
    ),
    Plant(
        "swap limit a little too large",
        ENGINES,
        {"lim.swap": "memory and swap get 67112960 together"},
        limit="swap",
        verdict="ignored",
        overlay=limited_beside(
            "swap", {"flags": ["--memory", "{{ bytes }}"]}, {"flags": ["--memory-swap", "{{ bytes + 4096 }}"]}
        ),
        apart=("lim.tmpfs",),  # its memory limit bounds what has no size
    ),
    # look-alikes
    Plant("an innocent file", ENGINES, spec=lambda ground: flags("-v", f"{ground.file('data')}:/data:ro")),
    Plant(
        "a tree that looks like the host's root",
        ENGINES,
        spec=lambda ground: flags("-v", f"{ground.directory('etc', 'passwd')}:/host/etc"),
    ),
    Plant("a capability added and dropped", ENGINES, spec=flags("--cap-add", "CHOWN", "--cap-drop", "KILL")),
    Plant("a larger /dev/shm", ENGINES, spec=flags("--shm-size", "16m")),
    Plant("a tmpfs of its own", ENGINES, spec=flags("--tmpfs", "/scratch:size=1m")),
    Plant("a name of its own", ENGINES, spec=flags("--hostname", "localhost")),
    Plant("a default device once more", ENGINES, spec=flags("--device", "/dev/zero:/dev/zero")),
    Plant("a slave bind", ENGINES, spec=lambda ground: flags("-v", f"{ground.shared_folder()}:/d:rslave")),
    *(
        Plant(
            f"a profile that allows {call}",
            ("docker",) if call == "keyctl" else ENGINES,  # podman's own profile allows keyctl
            {"seccomp.dangerous": call},
            also=opened("key.quota") if call == "add_key" else {},
            spec=profiled(allowed=call),
            base="profile",
        )
        for call in CALLS
    ),
    *(
        Plant(
            f"a profile that allows {label}",
            # podman's default filter allows namespaces and families; docker's allowed AF_VSOCK until 23.0
            ("docker", "podman") if label.startswith("personality") else ("docker",),
            {"seccomp.dangerous": label},
            spec=profiled(allowed=label),
            base="profile",
        )
        for label in (*IN_PART, "clone3")
        if label != "socket(AF_VSOCK)"
    ),
    *from_version(
        "23",  # docker 20.10 ignores defaultErrnoRet, so that its base answers EPERM to unknown calls
        _allowing("docker", {"seccomp.unknown": "holds"}),
        also={},
    ),
    _allowing("podman", {}),
    *(
        Plant(f"a filter that answers {name}", ENGINES, spec=profiled(errno=errno), base="profile")
        for name, errno in (("ENOSYS", 38), ("EACCES", 13))
    ),
    *limits_left_out(*ENGINES),
    Plant(
        "--ulimit nproc below the pids limit",
        ENGINES,
        {"lim.pids": "RLIMIT_NPROC came first, 16 processes of its user"},
        limit="pids",
        verdict="unknown",
        base="user",
        spec=flags("--user", "1000:1000", "--ulimit", "nproc=16:16"),
        overlay=alone("pids"),
    ),
)
