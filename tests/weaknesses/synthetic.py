"""A weakness for each check: a sound record with exactly one thing edited, and what must be said of it.

In: facts_factory's records.  Out: `WEAKNESSES`, which turn their check red and name the cause, and `LOOKALIKES`,
which differ from a sound record as well and must move nothing.  All are synthetic: no such sandbox ran.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from facts_factory import ABSENT, HOST_BOOT, INITIAL, MIB, PEER_BOOT, PROC, TMPFS, Dict, mount

from pytest_isolation.walls.capabilities import mask_of
from pytest_isolation.walls.filters import REVEALING, TELLING

Edit = Callable[[Dict], None]


@dataclass(frozen=True)
class Weakness:
    """
    One thing that is missing, and what must be seen.

    `record` names a sound record of facts_factory; `cause` is a fragment of the reason; `also` are the other checks
    that this one thing must move.
    """

    check: str
    name: str
    record: str
    edit: Edit
    cause: str
    also: frozenset[str] = frozenset()
    verdict: str = "open"
    synthetic: bool = True

    def __str__(self) -> str:
        return f"{self.check}: {self.name}"


@dataclass(frozen=True)
class Lookalike:
    """A difference that is no weakness: every verdict must stay as it is but those in `moves`."""

    name: str
    record: str
    edit: Edit
    moves: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.name


def put(*where: str | int, to: Any) -> Edit:
    """Return the edit that sets the thing at these keys."""

    def edit(document: Dict) -> None:
        at: Any = document
        for key in where[:-1]:
            at = at[key]
        assert not isinstance(at, dict) or at.get(where[-1]) != to, f"{where} is so already"
        at[where[-1]] = to

    return edit


def add(*where: str, item: Any) -> Edit:
    """Return the edit that appends to the list at these keys."""

    def edit(document: Dict) -> None:
        at: Any = document
        for key in where:
            at = at[key]
        at.append(item)

    return edit


def grant(part: str, set_: str, *names: str) -> Edit:
    """Return the edit that adds capabilities to one set of one process."""

    def edit(document: Dict) -> None:
        document[part]["process"]["capabilities"][set_] |= mask_of(names)

    return edit


def weak(check: str, name: str, edit: Edit, cause: str, *also: str, record: str = "container", **more: Any) -> Weakness:
    """Return a weakness of the container that lacks nothing, unless said otherwise."""
    return Weakness(check, name, record, edit, cause, frozenset(also), **more)


def _ns(kind: str) -> Edit:
    return put("outside", "process", "namespaces", kind, to=INITIAL[kind])


def _proc(part: str, name: str, to: Any) -> Edit:
    return put(part, "process", name, to=to)


def _path(path: str, field: str, to: Any) -> Edit:
    return put("inside", "system", "paths", path, field, to=to)


def _row(row: str, result: str) -> Edit:
    return put("inside", "system", "tries", row, "result", to=result)


def _mounted(line: Dict) -> Edit:
    return add("outside", "process", "mounts", item=line)


def _load(name: str, field: str, to: Any) -> Edit:
    return put("loads", name, field, to=to)


def _host_bind(target: str, path: str) -> Dict:
    return mount(target, "ext4", 1, root=path, major=8)


def _node(path: str, kind: str, major: int, minor: int, open_: str | None = None) -> Dict:
    return {"path": path, "kind": kind, "major": major, "minor": minor, "open": open_}


KERNEL_FILE = {"type": "file", "rdev": None, "fstype": PROC, "read_only": False, "entries": None, "write": None}
FIFO = KERNEL_FILE | {"type": "fifo", "fstype": TMPFS}
UNSEEN = {"unobserved": "EACCES", "why": "not root"}

NAMESPACES = (
    weak("ns.pid", "--pid=host", _ns("pid"), "host's pid namespace", "ns.pid.procfs"),
    weak("ns.pid.procfs", "NSpid of a namespace above", _proc("inside", "nspid", [4242, 7]), "1 levels above"),
    weak("ns.pid.procfs", "/proc/self of another", put("inside", "system", "proc_self", to="4242"), "reads 4242"),
    weak(
        "ns.pid.procfs",
        "-v /proc:/proc",
        put("outside", "process", "mounts", 1, "minor", to=20),
        "the host's own",
        "mnt.host_paths",
    ),
    weak("ns.net", "--network=host", _ns("net"), "host's network namespace"),
    weak("ns.mnt", "no mount namespace", _ns("mnt"), "host's mount namespace"),
    weak("ns.ipc", "--ipc=host", _ns("ipc"), "host's IPC namespace"),
    weak("ns.uts", "--uts=host", _ns("uts"), "host's UTS namespace"),
    weak("ns.cgroup", "--cgroupns=host", _ns("cgroup"), "host's cgroup namespace"),
    weak("ns.user", "--userns=host", _ns("user"), "host's user namespace"),
    weak(
        "ns.peer",
        "--network=container:PEER",
        put("outside", "process", "namespaces", "net", to=INITIAL["net"] + 2000),
        "its net namespace",
    ),
    weak(
        "ns.exec_parity",
        "exec leaves the pid namespace",
        put("exec", "process", "namespaces", "pid", to=INITIAL["pid"]),
        "another pid namespace",
    ),
    weak(
        "ns.exec_parity",
        "exec --cgroup",
        put("exec", "process", "cgroups", 0, "path", to="/other"),
        "another cgroup",
    ),
)

USERS = (
    weak(
        "user.root_mapped",
        "unshare -Ur by root",
        put("outside", "process", "uid_map", 0, "outside", to=0),
        "its root is the host's root",
    ),
    weak("user.root_mapped", "uid 0 on the host", _proc("outside", "uid", [0] * 4), "runs as the host's root"),
    weak("user.root_mapped", "QEMU as root", _proc("vmm", "uid", [0] * 4), "hypervisor's process", record="vm"),
    weak("user.nonroot", "--user 0", _proc("inside", "uid", [0] * 4), "uid 0 inside"),
    weak("user.nonroot", "root in the guest", _proc("inside", "uid", [0] * 4), "uid 0 inside", record="vm"),
    weak("user.nonroot", "a saved uid of 0", _proc("inside", "uid", [1000, 1000, 0, 1000]), "uid 0 inside"),
    weak("user.groups", "--group-add disk", _proc("outside", "groups", [6]), "groups 6"),
    weak("user.groups", "group 0 kept", _proc("outside", "groups", [0, 101000]), "groups 0"),
)

CAPABILITIES = (
    weak("cap.bounding", "--cap-add=SYS_PTRACE", grant("outside", "bounding", "SYS_PTRACE"), "also holds SYS_PTRACE"),
    weak(
        "cap.baseline",
        "--cap-add=DAC_READ_SEARCH",
        grant("outside", "effective", "DAC_READ_SEARCH"),
        "holds DAC_READ_SEARCH",
        record="podman",
    ),
    weak(
        "cap.baseline",
        "permitted, not yet in effect",
        grant("outside", "permitted", "SYS_PTRACE"),
        "holds SYS_PTRACE",
        record="podman",
    ),
    weak(
        "cap.sys_admin",
        "--cap-add=SYS_ADMIN",
        grant("outside", "effective", "SYS_ADMIN"),
        "CAP_SYS_ADMIN",
        "cap.baseline",
        record="podman",
    ),
    weak("cap.sys_admin", "lists BPF programs", _row("bpf.prog_get_next_id", "ENOENT"), "enumerate the host's BPF"),
    weak(
        "cap.sys_module",
        "--cap-add=SYS_MODULE",
        grant("outside", "effective", "SYS_MODULE"),
        "CAP_SYS_MODULE",
        "cap.baseline",
        record="podman",
    ),
    weak("cap.sys_module", "finit_module passes", _row("finit_module.bad_fd", "EBADF"), "finit_module passes"),
    weak("cap.net_raw", "AF_PACKET opens", _row("socket.packet_raw", "ok"), "socket.packet_raw"),
    weak("cap.net_raw", "raw ICMP opens", _row("socket.inet_raw", "ok"), "socket.inet_raw"),
    weak(
        "cap.exec_parity",
        "exec --privileged",
        grant("exec", "effective", "SYS_PTRACE"),
        "SYS_PTRACE in its effective set",
    ),
    weak(
        "cap.exec_parity",
        "CVE-2022-27650",
        grant("exec", "inheritable", "CHOWN"),
        "CHOWN in its inheritable set",
    ),
    weak("nnp.set", "no-new-privileges=false", _proc("outside", "no_new_privs", 0), "no_new_privs is off"),
)

FILTERS = (
    weak(
        "seccomp.mode",
        "seccomp=unconfined",
        put("outside", "process", "seccomp", "mode", to=0),
        "no seccomp filter",
        "seccomp.exec_parity",
    ),
    weak(
        "seccomp.mode",
        "QEMU without -sandbox",
        put("vmm", "process", "seccomp", "mode", to=0),
        "the hypervisor's process has no seccomp filter",
        record="vm",
    ),
    *(
        weak("seccomp.dangerous", f"{row} allowed", _row(row, sorted(answers)[0]), row)
        for row, answers in (TELLING | REVEALING).items()
    ),
    weak("seccomp.exec_parity", "exec without", put("exec", "process", "seccomp", "mode", to=0), "seccomp mode 0"),
    weak("seccomp.exec_parity", "exec with fewer", put("exec", "process", "seccomp", "filters", to=0), "0 filters"),
    weak("lsm.confined", "apparmor=unconfined", _proc("outside", "lsm", "unconfined"), "no mandatory-access label"),
    weak("lsm.confined", "complain mode", _proc("outside", "lsm", "docker-default (complain)"), "not enforced"),
    weak("lsm.confined", "label=disable", _proc("outside", "lsm", "system_u:system_r:spc_t:s0"), "spc_t"),
    weak("lsm.confined", "VM without sVirt", _proc("vmm", "lsm", "unconfined"), "no mandatory", record="vm"),
)

PATHS = (
    weak(
        "path.proc_sys",
        "systempaths=unconfined",
        _path("/proc/sys/vm/panic_on_oom", "write", "ok"),
        "panic_on_oom opens for writing",
    ),
    weak(
        "path.core_pattern",
        "--privileged",
        _path("/proc/sys/kernel/core_pattern", "write", "ok"),
        "core_pattern opens for writing",
    ),
    weak("path.sysrq", "dropped from readonlyPaths", _path("/proc/sysrq-trigger", "write", "ok"), "sysrq-trigger"),
    weak(
        "path.kcore",
        "unmask=/proc/kcore",
        put("inside", "system", "paths", "/proc/kcore", to=dict(KERNEL_FILE)),
        "an image of the kernel's memory",
        "path.mask_real",  # the mount table still claims a mask
    ),
    weak("path.mask_real", "/dev/null a file", _path("/proc/keys", "type", "file"), "a file, not the null device"),
    weak("path.mask_real", "a link", _path("/proc/keys", "type", "symlink"), "a symlink, not the null device"),
    weak("path.mask_real", "another device", _path("/proc/keys", "rdev", [1, 1]), "a char, not the null device"),
    weak("path.mask_real", "a full tmpfs", _path("/sys/firmware", "entries", 3), "a tmpfs with 3 entries"),
    weak("path.mask_real", "a writable tmpfs", _path("/sys/firmware", "read_only", False), "a writable tmpfs"),
    weak(
        "path.mask_real",
        "a mask of ext4 that was not looked at",
        _mounted(mount("/proc/timer_stats", "overlay", 90, root="/x")),
        "/proc/timer_stats is a mount of overlay",
    ),
    weak("path.sys_ro", "-v /sys:/sys", _path("/sys", "read_only", False), "/sys is mounted writable"),
    weak(
        "path.cgroup_ro",
        "--systemd=always",
        _path("cgroup.procs:/sys/fs/cgroup", "write", "ok"),
        "cgroup.procs of /sys/fs/cgroup",
    ),
    weak(
        "path.cgroup_ro",
        "CVE-2022-0492",
        put("inside", "system", "paths", "release_agent:/sys/fs/cgroup/rdma", to=KERNEL_FILE | {"write": "ok"}),
        "release_agent of /sys/fs/cgroup/rdma",
    ),
)

DEVICES = (
    weak(
        "dev.nodes",
        "--device /dev/kvm",
        add("inside", "system", "devices", item=_node("/dev/kvm", "char", 10, 232)),
        "/dev/kvm",
    ),
    weak("dev.nodes", "/dev/null is /dev/mem", put("inside", "system", "devices", 0, "minor", to=1), "/dev/null"),
    weak(
        "dev.nodes",
        "a block node that does not open",
        add("inside", "system", "devices", item=_node("/dev/sdb", "block", 8, 16, "EPERM")),
        "/dev/sdb",
    ),
    weak(
        "dev.block",
        "--device LOOP",
        add("inside", "system", "devices", item=_node("/dev/loop7", "block", 7, 7, "ok")),
        "/dev/loop7 opens for reading",
        "dev.nodes",
    ),
    weak(
        "dev.block",
        "a raw disk of the host",
        add("vmm", "process", "fds", item={"fd": 13, "target": "/dev/sda"}),
        "hypervisor has the host's /dev/sda open",
        record="vm",
    ),
)

MOUNTS = (
    *(
        weak("mnt.host_paths", f"-v {path}:/x", _mounted(_host_bind("/x", path)), f"/x is the host's {path}")
        for path in ("/", "/etc", "/etc/ssh", "/var", "/root/.ssh", "/usr/bin", "/var/log/pods", "/var/lib/docker")
    ),
    weak(
        "mnt.host_paths",
        "-v /run/docker.sock:/s",
        _mounted(mount("/s", "tmpfs", 22, root="/docker.sock")),
        "/s is the host's /run/docker.sock",
    ),
    weak(
        "mnt.host_paths",
        "-v /etc/shadow:/etc/hosts",
        _mounted(_host_bind("/etc/hosts", "/etc/shadow")),
        "/etc/hosts is the host's /etc/shadow",
    ),
    weak("mnt.host_paths", "-v /dev:/dev", _mounted(mount("/dev", "devtmpfs", 5)), "/dev is the host's /dev"),
    weak("mnt.host_paths", "-v /sys:/h", _mounted(mount("/h", "sysfs", 21)), "/h is the host's /sys"),
    weak("mnt.host_paths", "-v /sys/fs/cgroup:/c", _mounted(mount("/c", "cgroup2", 26)), "/c is the host's /sys/fs"),
    weak(
        "mnt.host_paths", "the host's root", put("outside", "process", "mounts", 0, "root", to="/"), "/ is the host's /"
    ),
    weak(
        "mnt.host_paths",
        "Vagrant's synced folder",
        add("inside", "process", "mounts", item=mount("/vagrant", "9p", 60)),
        "shared at /vagrant (9p)",
        record="vm",
    ),
    weak(
        "mnt.propagation",
        ":rshared",
        put("outside", "process", "mounts", 0, "tags", to=["shared:1"]),
        "/ is in a peer group of the host's",
    ),
)

PROCESSES = (
    weak(
        "fd.inherited",
        "--preserve-fds",
        add("inside", "process", "fds", item={"fd": 9, "target": "/etc"}),
        "descriptors 9 (/etc)",
    ),
    weak(
        "sig.outside",
        "kill reaches the canary",
        put("inside", "system", "canary", to={"pid": 3999, "signal": "ok", "same": True}),
        "signal the host's process 3999",
    ),
)

LIMITS = (
    weak("lim.memory", "not taken", _load("memory", "ended", "exit 0"), "it took 62 MiB of 64", verdict="ignored"),
    weak("lim.memory", "too much", _load("memory", "steps_mib", 80), "it took 80 MiB of 64", verdict="ignored"),
    weak(
        "lim.memory",
        "one page more",
        put("loads", "memory", "shown", "memory", "limit", to=64 * MIB + 4096),
        "the cgroup shows 67112960 bytes",
        verdict="ignored",
    ),
    weak(
        "lim.memory",
        "no limit shown",
        put("loads", "memory", "shown", "memory", "limit", to=None),
        "shows no limit",
        verdict="ignored",
    ),
    weak(
        "lim.memory",
        "a peak above it",
        put("loads", "memory", "after", "memory", "peak", to=65 * MIB),
        "at its peak",
        verdict="ignored",
    ),
    weak(
        "lim.memory",
        "a VM with more",
        _load("memory", "inside", 100.0 * MIB),
        "seen inside",
        record="vm",
        verdict="ignored",
    ),
    weak("lim.memory", "refused", _load("memory", "refused", "no memory controller"), "no memory", verdict="refused"),
    weak("lim.cpu", "not throttled", _load("cpu", "cpu_us", 7_900_000), "it used 3.95 CPUs of 0.5", verdict="ignored"),
    weak("lim.cpu", "11 % more", _load("cpu", "cpu_us", 1_110_000), "it used 0.56 CPUs", verdict="ignored"),
    weak(
        "lim.cpu",
        "no quota shown",
        put("loads", "cpu", "shown", "cpu", "quota_us", to=None),
        "a quota of no limit",
        verdict="ignored",
    ),
    weak(
        "lim.cpu", "a VM with more CPUs", _load("cpu", "inside", 4), "4 CPUs are seen", record="vm", verdict="ignored"
    ),
    weak("lim.cpu", "refused", _load("cpu", "refused", "no cpu controller"), "no cpu", verdict="refused"),
    weak("lim.pids", "no bound", _load("pids", "fork_error", "ok"), "62 children came up", verdict="ignored"),
    weak("lim.pids", "one more", _load("pids", "children", 64), "64 children came up", verdict="ignored"),
    weak(
        "lim.pids",
        "one more shown",
        put("loads", "pids", "shown", "pids", "limit", to=65),
        "a limit of 65 tasks",
        verdict="ignored",
    ),
    weak("lim.pids", "refused", _load("pids", "refused", "no pids controller"), "no pids", verdict="refused"),
)

# A container under the name of a VM: nothing that a VM has for itself is there.
MISLABELLED = (
    *("vm.boot_id", "ns.pid", "ns.net", "ns.mnt", "ns.ipc", "ns.uts", "ns.user", "user.root_mapped", "seccomp.mode"),
    *("cap.sys_module", "lsm.confined", "path.proc_sys", "path.core_pattern", "path.sysrq", "path.sys_ro"),
    *("dev.nodes", "dev.block", "mnt.host_paths"),
)

MACHINES = (
    weak(
        "vm.kernel",
        "a mislabelled target",
        put("inside", "boot_id", to=HOST_BOOT),
        "host's kernel",
        *MISLABELLED,
        record="vm",
    ),
    weak(
        "vm.boot_id", "a restored clone", put("inside", "boot_id", to=PEER_BOOT), "its peer's", "ns.peer", record="vm"
    ),
    weak(
        "vm.boot_id",
        "a machine id baked in",
        put("inside", "system", "machine_id", to="c" * 32),
        "machine id is its peer's",
        record="vm",
    ),
    weak(
        "vm.boot_id", "the host's machine id", put("inside", "system", "machine_id", to="a" * 32), "host's", record="vm"
    ),
    weak("net.peer_same", "the token came", put("reaches", "none", "token_seen", to=True), "read its peer's token"),
    weak("net.peer_same", "the listener logged it", put("reaches", "none", "accepted", to=2), "accepted a connection"),
)

WEAKNESSES = (
    *NAMESPACES,
    *USERS,
    *CAPABILITIES,
    *FILTERS,
    *PATHS,
    *DEVICES,
    *MOUNTS,
    *PROCESSES,
    *LIMITS,
    *MACHINES,
)

LOOKALIKES = (
    # namespaces
    Lookalike(
        "a made-up boot id (nspawn, LXD)", "docker", put("inside", "boot_id", to=PEER_BOOT), (("vm.boot_id", "holds"),)
    ),
    Lookalike(
        "no time namespace in this kernel", "container", put("outside", "process", "namespaces", "time", to=None)
    ),
    Lookalike("no procfs at all", "container", put("outside", "process", "mounts", 1, "target", to="/elsewhere")),
    # users
    Lookalike("a group that is mapped nowhere", "container", _proc("outside", "groups", [65534])),
    Lookalike("its own primary group once more", "container", _proc("outside", "groups", [101000])),
    Lookalike("no root in its map", "container", put("outside", "process", "uid_map", 0, "inside", to=1000)),
    # capabilities
    Lookalike("all capabilities in its own user namespace", "container", grant("outside", "effective", "SYS_ADMIN")),
    Lookalike("fewer than documented", "container", put("target", "capabilities", to=["CAP_CHOWN", "CAP_KILL"])),
    Lookalike(
        "no documented default",
        "container",
        put("target", "capabilities", to=None),
        (("cap.bounding", "not_applicable"),),
    ),
    Lookalike(
        "no modules, and a filter",
        "container",
        put("host", "system", "tries", "finit_module.bad_fd", "result", to="ENOSYS"),
        (("cap.sys_module", "not_applicable"),),
    ),
    # filters
    *(
        Lookalike(f"a filter that answers {errno}", "container", _row("kcmp.self", errno))
        for errno in ("ENOSYS", "SIGSYS", "EACCES", "EOPNOTSUPP")
    ),
    Lookalike("io_uring (docker 20.10)", "container", _row("io_uring.setup_null", "EFAULT")),
    Lookalike("keyctl and vsock (podman)", "container", _row("keyctl.bad_cmd", "EOPNOTSUPP")),
    Lookalike("nested user namespaces (podman)", "container", _row("unshare.newuser", "ok")),
    Lookalike(
        "no userfaultfd in this kernel",
        "container",
        put("host", "system", "tries", "userfaultfd.user_bad_flag", "result", to="ENOSYS"),
    ),
    Lookalike(
        "a kernel without the filters' count", "container", put("exec", "process", "seccomp", "filters", to=None)
    ),
    Lookalike("a second filter in exec", "container", put("exec", "process", "seccomp", "filters", to=2)),
    Lookalike(
        "an SELinux container type", "container", _proc("outside", "lsm", "system_u:system_r:container_t:s0:c1,c2")
    ),
    Lookalike("no LSM on the host", "container", _proc("host", "lsm", ""), (("lsm.confined", "not_applicable"),)),
    # paths
    Lookalike(
        "a mask opens for writing",
        "container",
        put(
            "inside",
            "system",
            "paths",
            "/proc/sysrq-trigger",
            to={"type": "char", "rdev": [1, 3], "fstype": TMPFS, "read_only": False, "entries": None, "write": "ok"},
        ),
    ),
    Lookalike(
        "absent instead of read-only",
        "container",
        put("inside", "system", "paths", "/proc/sys/kernel/core_pattern", to=dict(ABSENT)),
    ),
    Lookalike("refused by ids alone", "container", _path("/proc/sys/vm/panic_on_oom", "write", "EACCES")),
    Lookalike(
        "a private fifo for a mask (nspawn)", "container", put("inside", "system", "paths", "/proc/keys", to=dict(FIFO))
    ),
    Lookalike("/proc/kcore absent", "container", put("inside", "system", "paths", "/proc/kcore", to=dict(ABSENT))),
    Lookalike(
        "an empty writable /sys",
        "container",
        put("inside", "system", "paths", "/sys", to=KERNEL_FILE | {"type": "dir", "entries": 0}),
    ),
    Lookalike("lxcfs over /proc/meminfo", "container", _mounted(mount("/proc/meminfo", "fuse.lxcfs", 91))),
    Lookalike(
        "a made-up boot id bound in",
        "container",
        _mounted(mount("/proc/sys/kernel/random/boot_id", "tmpfs", 92, root="/x")),
    ),
    Lookalike(
        "a mask that was not looked at", "container", _mounted(mount("/proc/timer_stats", "devtmpfs", 5, root="/null"))
    ),
    # devices
    Lookalike(
        "a pty for a console",
        "container",
        add("inside", "system", "devices", item=_node("/dev/console", "char", 136, 1)),
    ),
    Lookalike(
        "a disk of its own", "vm", add("inside", "system", "devices", item=_node("/dev/vdb", "block", 254, 16, "ok"))
    ),
    # mounts
    Lookalike("a bind of an innocent folder", "container", _mounted(_host_bind("/data", "/srv/data"))),
    Lookalike("a folder whose name begins alike", "container", _mounted(_host_bind("/data", "/etcetera"))),
    Lookalike("a volume of the engine", "container", _mounted(_host_bind("/data", "/var/lib/docker/volumes/x/_data"))),
    Lookalike(
        "a file of the engine's",
        "container",
        _mounted(mount("/run/.containerenv", "tmpfs", 22, root="/c/x/.containerenv")),
    ),
    Lookalike("the host's resolv.conf", "container", _mounted(_host_bind("/etc/resolv.conf", "/etc/resolv.conf"))),
    Lookalike("docker --init", "container", _mounted(_host_bind("/sbin/docker-init", "/usr/bin/tini-static"))),
    Lookalike("a file system of its own", "container", _mounted(mount("/etc", "ext4", 77, root="/etc"))),
    Lookalike(
        "shared, in groups of its own (nspawn)",
        "container",
        put("outside", "process", "mounts", 0, "tags", to=["shared:901"]),
    ),
    Lookalike(
        "a slave of the host's group", "container", put("outside", "process", "mounts", 2, "tags", to=["master:2"])
    ),
    # processes
    Lookalike(
        "another process of the canary's number", "container", put("inside", "system", "canary", "signal", to="ok")
    ),
    Lookalike(
        "the canary's uid protects it",
        "container",
        put("inside", "system", "canary", to={"pid": 3999, "signal": "EPERM", "same": True}),
    ),
    # limits
    Lookalike("a limit in whole pages", "container", _load("memory", "limit", float(64 * MIB + 100))),
    Lookalike("the sandbox went with its load", "container", _load("memory", "ended", "end of stream")),
    Lookalike("its cgroup went with it", "container", _load("memory", "after", dict(UNSEEN))),
    Lookalike("6 % more than the quota", "container", _load("cpu", "cpu_us", 1_060_000)),
    Lookalike("a cgroup v1 without counters", "container", put("loads", "pids", "after", "pids", "refusals", to=None)),
    Lookalike(
        "a limit that cannot be set",
        "container",
        put("target", "cannot", to={"limits.memory": "no controller"}),
        (("lim.memory", "not_applicable"),),
    ),
    # what cannot tell must not turn green
    Lookalike("a load that came not near", "container", _load("cpu", "cpu_us", 100_000), (("lim.cpu", "unknown"),)),
    Lookalike("a quota above the host's CPUs", "container", _load("cpu", "host_cpus", 0), (("lim.cpu", "unknown"),)),
    Lookalike("killed far below", "container", _load("memory", "steps_mib", 10), (("lim.memory", "unknown"),)),
    Lookalike(
        "killed by another",
        "container",
        put("loads", "memory", "after", "memory", "oom_kills", to=0),
        (("lim.memory", "unknown"),),
    ),
    Lookalike("a load that timed out", "container", _load("memory", "ended", "deadline"), (("lim.memory", "unknown"),)),
    Lookalike("another bound on forks", "container", _load("pids", "children", 5), (("lim.pids", "unknown"),)),
    Lookalike(
        "a listener that was not there",
        "container",
        put("reaches", "none", "control", to="refused"),
        (("net.peer_same", "unknown"),),
    ),
    Lookalike("no canary", "container", put("inside", "system", "canary", to=None), (("sig.outside", "unknown"),)),
    Lookalike(
        "no view from outside, and a made-up boot id",
        "docker",
        lambda d: (put("inside", "boot_id", to=PEER_BOOT)(d), put("outside", to=dict(UNSEEN))(d))[0],
        (("vm.boot_id", "holds"), ("user.root_mapped", "unknown"), ("mnt.host_paths", "unknown")),
    ),
)
