"""Sound records, built by code: a container in a user namespace, containers like docker's and podman's, and a VM.

In: nothing.  Out: plain dicts, and `record_of`, which parses one as strictly as an archived record.
Numbers that a check reads are those of real systems: initial namespaces have the same inodes in every kernel.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sound import complete, left_open

from pytest_isolation.records.read import parse_record
from pytest_isolation.records.record import Record
from pytest_isolation.walls.capabilities import mask_of
from pytest_isolation.walls.seccomp.tries import ROWS

Dict = dict[str, Any]

HOST_BOOT = "11111111-1111-4111-8111-111111111111"
VM_BOOT = "22222222-2222-4222-8222-222222222222"
PEER_BOOT = "33333333-3333-4333-8333-333333333333"
INITIAL = {
    "cgroup": 4026531835,
    "ipc": 4026531839,
    "mnt": 4026531841,
    "net": 4026531840,
    "pid": 4026531836,
    "time": 4026531834,
    "user": 4026531837,
    "uts": 4026531838,
}
MIB = 1 << 20
STORE = "/var/lib/containers/storage"
DOCKER = (
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"),
    *("NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
)
# Answers that the host's root gets; a container without a filter differs if a capability decides.
UNFILTERED = {
    "bpf.bad_cmd": "EINVAL",
    "bpf.map_create_zero": "EINVAL",
    "bpf.prog_load_empty": "E2BIG",
    "bpf.prog_get_next_id": "ENOENT",
    "perf.null": "EFAULT",
    "perf.software_bad_config": "ENOENT",
    "userfaultfd.kernel_bad_flag": "EINVAL",
    "userfaultfd.user_bad_flag": "EINVAL",
    "io_uring.setup_null": "EFAULT",
    "mount.no_such_fs": "ENODEV",
    "fsopen.no_such_fs": "ENODEV",
    "pivot_root.null": "EFAULT",
    "open_tree.bad_fd": "EBADF",
    "move_mount.bad_fd": "EBADF",
    "unshare.no_such_flag": "EINVAL",
    "unshare.newuser": "ok",
    "clone3.null": "EINVAL",
    "init_module.null": "EFAULT",
    "finit_module.bad_fd": "EBADF",
    "delete_module.null": "EFAULT",
    "kexec_load.bad_flags": "EINVAL",
    "reboot.bad_magic": "EINVAL",
    "swapon.null": "EFAULT",
    "swapoff.null": "EFAULT",
    "acct.no_such_path": "ENOENT",
    "settimeofday.null": "ok",
    "adjtimex.bad_tick": "EINVAL",
    "sethostname.null": "EINVAL",
    "syslog.size_buffer": "ok",
    "add_key.null": "EFAULT",
    "request_key.null": "EFAULT",
    "keyctl.bad_cmd": "EOPNOTSUPP",
    "open_by_handle_at.null": "EFAULT",
    "quotactl.bad_cmd": "ENODEV",
    "kcmp.self": "ok",
    "set_mempolicy.bad_mode": "EINVAL",
    "move_pages.none": "ok",
    "socket.packet_raw": "ok",
    "socket.inet_raw": "ok",
    "socket.vsock": "ok",
    "socket.alg": "ok",
    "socket.netlink_audit": "ok",
    "mknod.null_device": "ok",
    "personality.no_randomize": "ok",
    "kmsg.open": "ok",
    "landlock.version": "ok",
    "prctl.get_memory_merge": "ok",
    "fanotify.bad_flag": "EINVAL",
    "sched.fifo": "ok",
    "syscall.unknown": "ENOSYS",
    **{f"{entry}.{row}": "ok" for entry in ("i386", "x32") for row in ("personality", "vsock", "alg")},
    **{
        f"{entry}.{row}": answer
        for entry in ("i386", "x32")
        for row, answer in (("add_key", "EFAULT"), ("bpf", "EINVAL"))
    },
    "i386.socketcall_vsock": "ok",
    "i386.socketcall_alg": "ok",
}
ABSENT = {"type": "absent", "rdev": None, "fstype": None, "read_only": None, "entries": None, "write": None}
PROC, SYSFS, TMPFS, CGROUP2, DEVTMPFS = 0x9FA0, 0x62656572, 0x01021994, 0x63677270, 0x01021994


def record_of(document: Dict) -> Record:
    """Parse a record as strictly as an archived one."""
    return parse_record(json.dumps(document).encode(), "synthetic")


def container() -> Dict:
    """A container that lacks no wall: its own user namespace, a non-root payload, all paths hidden."""
    inodes = {kind: inode + 1000 for kind, inode in INITIAL.items()}
    outside = _process(pid=4242, nspid=[4242, 1], uid=101000, inodes=inodes, lsm="crun-default (enforce)")
    outside |= {"mounts": _sandbox_mounts(), "no_new_privs": 1, "seccomp": {"mode": 2, "filters": 1}}
    outside |= {"uid_map": _map(100000, 65536), "gid_map": _map(100000, 65536), "exe": "/probe"}
    inside = outside | {"pid": 7, "nspid": [7], "uid": [1000] * 4, "gid": [1000] * 4}
    inside |= {"cgroups": [{"hierarchy": 0, "controllers": [], "path": "/"}]}
    peer_inodes = {kind: inode + 2000 for kind, inode in INITIAL.items()}
    document = {
        "schema": 1,
        "run": "r",
        "target": _target("podman-rootless", "container", "container", "process", "podman", ["CHOWN", "SETUID"]),
        "host": _host(),
        "inside": _facts("inside", HOST_BOOT, inside, _system_inside()),
        "outside": _facts("outside", HOST_BOOT, outside, None),
        "vmm": None,
        "exec": _facts("inside", HOST_BOOT, inside | {"pid": 9, "nspid": [9]}, _system_inside()),
        "peer_inside": _facts("inside", HOST_BOOT, inside | {"namespaces": peer_inodes}, _system_inside()),
        "peer_outside": _facts("outside", HOST_BOOT, outside | {"namespaces": peer_inodes, "pid": 4343}, None),
        "loads": {"memory": _memory(), "cpu": _cpu(), "pids": _pids()},
        "reaches": {"none": _reach()},
    }
    return _apart(document)


def docker() -> Dict:
    """A container of rootful docker on a sound host; DOCKER_OPEN has the checks that its defaults leave open."""
    document = container()
    document["target"] = _target("docker", "container", "container", "process", "docker", list(DOCKER))
    mask = mask_of(DOCKER)
    for name in ("inside", "outside", "exec", "peer_inside", "peer_outside"):
        process = document[name]["process"]
        process["namespaces"]["user"] = INITIAL["user"]
        process |= {"uid": [0] * 4, "gid": [0] * 4, "no_new_privs": 0, "lsm": "docker-default (enforce)"}
        process |= {"uid_map": _map(0, 4294967295), "gid_map": _map(0, 4294967295)}
        process["capabilities"] = {
            "inheritable": 0,
            "permitted": mask,
            "effective": mask,
            "bounding": mask,
            "ambient": 0,
        }
        if document[name]["system"]:
            document[name]["system"]["tries"] |= {
                row: _try("ok") for row in ("socket.packet_raw", "socket.inet_raw", "mknod.null_device")
            }
    return document


def podman() -> Dict:
    """A container of rootful podman: like docker's, without CAP_NET_RAW."""
    document = docker()
    names = [name for name in DOCKER if name not in ("NET_RAW", "MKNOD", "AUDIT_WRITE")]
    document["target"] = _target("podman", "container", "container", "process", "podman", names)
    for name in ("inside", "outside", "exec", "peer_inside", "peer_outside"):
        process = document[name]["process"]
        process["lsm"] = "containers-default-0.50.1 (enforce)"
        process["capabilities"] |= dict.fromkeys(("permitted", "effective", "bounding"), mask_of(names))
        if document[name]["system"]:
            document[name]["system"]["tries"] |= {
                row: _try("EPERM") for row in ("socket.packet_raw", "socket.inet_raw", "mknod.null_device")
            }
    return document


def vm() -> Dict:
    """A VM with a non-root payload and a confined hypervisor's process."""
    guest = _process(pid=1, nspid=[1], uid=1000, inodes=dict(INITIAL), lsm="")
    vmm = _process(pid=5151, nspid=[5151], uid=64055, inodes=dict(INITIAL), lsm="libvirt-1234 (enforce)")
    vmm |= {"seccomp": {"mode": 2, "filters": 2}, "mounts": _host_mounts()}
    vmm |= {"fds": [{"fd": 0, "target": "/dev/null"}, {"fd": 12, "target": "/var/lib/images/a.qcow2"}]}
    system = _host_system() | {"machine_id": "b" * 32, "lsms": "lockdown,capability", "canary": None}
    system["devices"] = [*_default_devices(), _device("/dev/vda", "block", 254, 0, "ok")]
    loads = {"memory": _memory(), "cpu": _cpu(), "pids": _pids()}
    for load in loads.values():
        load |= {"shown": None, "after": None}
    loads["memory"] |= {"inside": 0.9 * 64 * MIB, "steps_mib": 30, "ended": "end of stream"}
    loads["cpu"] |= {"limit": 1.0, "inside": 1, "cpu_us": 1_000_000}
    document = {
        "schema": 1,
        "run": "r",
        "target": _target("qemu", "vm", "emulation", "vmm", "qemu", None)
        | {"cannot": {"limits.pids": "a VM has no limit of tasks", "exec": "QEMU starts no process inside"}},
        "host": _host(),
        "inside": _facts("inside", VM_BOOT, guest, system),
        "outside": None,
        "vmm": _facts("outside", HOST_BOOT, vmm, None),
        "exec": {"unobserved": "", "why": "QEMU starts no process inside"},
        "peer_inside": _facts("inside", PEER_BOOT, guest, system | {"machine_id": "c" * 32}),
        "peer_outside": None,
        "loads": loads,
        "reaches": {"none": _reach()},
    }
    return _apart(document)


# The checks that defaults leave open on a sound host; a VM leaves none open.
KERNEL_SHARED = frozenset({"vm.kernel", "vm.boot_id"})
PODMAN_OPEN = KERNEL_SHARED | {"ns.user", "user.root_mapped", "user.nonroot", "nnp.set"}
DOCKER_OPEN = PODMAN_OPEN | frozenset({"cap.baseline", "cap.net_raw"})


def _whole(make: Callable[[], Dict], name: str) -> Callable[[], Dict]:
    return lambda: _apart(complete(make(), name))


SOUND = {
    name: (_whole(make, name), documented | left_open(name))
    for name, make, documented in (
        ("container", container, KERNEL_SHARED),
        ("docker", docker, DOCKER_OPEN),
        ("podman", podman, PODMAN_OPEN),
        ("vm", vm, frozenset[str]()),
    )
}


def _apart(document: Dict) -> Dict:
    """Return a copy without shared parts, so that an edit changes one place; deepcopy would keep them shared."""
    copy: Dict = json.loads(json.dumps(document))
    return copy


def _target(name: str, kind: str, class_: str, boundary: str, runtime: str, capabilities: list[str] | None) -> Dict:
    return {
        "id": name,
        "kind": kind,
        "class": class_,
        "runtime": runtime,
        "host": "local",
        "boundary": boundary,
        "versions": {runtime: "1"},
        "capabilities": capabilities,
        "cannot": {},
        "conditions": {},
    }


def _facts(view: str, boot_id: str, process: Dict, system: Dict | None) -> Dict:
    return {
        "schema": 1,
        "view": view,
        "nonce": "n",
        "probe": "h",
        "boot_id": boot_id,
        "time": 1,
        "process": process,
        "limits": {"version": 2, "memory": _memory_files(), "cpu": _cpu_files(), "pids": _pids_files()},
        "system": system,
    }


def _process(pid: int, nspid: list[int], uid: int, inodes: dict[str, int], lsm: str) -> Dict:
    return {
        "pid": pid,
        "nspid": nspid,
        "name": "probe",
        "start_time": 100,
        "namespaces": inodes,
        "uid": [uid] * 4,
        "gid": [uid] * 4,
        "groups": [],
        "uid_map": _map(0, 4294967295),
        "gid_map": _map(0, 4294967295),
        "setgroups": "allow",
        "capabilities": {"inheritable": 0, "permitted": 0, "effective": 0, "bounding": 0, "ambient": 0},
        "no_new_privs": 0,
        "seccomp": {"mode": 0, "filters": 0},
        "lsm": lsm,
        "cgroups": [{"hierarchy": 0, "controllers": [], "path": f"/box-{pid}"}],
        "mounts": [],
        "fds": [{"fd": number, "target": f"pipe:[{number}]"} for number in range(3)],
        "cwd": "/",
        "root": "/",
        "exe": "/probe",
    }


def _host() -> Dict:
    everything = mask_of(("CHOWN", "SYS_ADMIN", "SYS_MODULE", "NET_RAW"))
    process = _process(pid=4000, nspid=[4000], uid=0, inodes=dict(INITIAL), lsm="unconfined")
    process["capabilities"] |= {"permitted": everything, "effective": everything, "bounding": everything}
    process["mounts"] = _host_mounts()
    return _facts("inside", HOST_BOOT, process, _host_system())


def _host_system() -> Dict:
    return {
        "kernel": {
            "sysname": "Linux",
            "release": "6.1.0-18-amd64",
            "version": "#1 SMP",
            "machine": "x86_64",
            "banner": "Linux version 6.1.0-18-amd64",
        },
        "hostname": "host",
        "proc_self": "4000",
        "processes": 200,
        "tasks": [{"pid": 1, "name": "systemd"}],
        "lsms": "lockdown,capability,landlock,yama,apparmor",
        "interfaces": [{"name": "eth0", "flags": 4163, "addresses": ["192.0.2.1"]}],
        "devices": [
            *_default_devices(),
            _device("/dev/sda", "block", 8, 0, "ok"),
            _device("/dev/kvm", "char", 10, 232),
        ],
        "paths": {
            "/sys": _path("dir", SYSFS, entries=10),
            "/proc/kcore": _path("file", PROC),
            "/proc/keys": _path("file", PROC),
            "/proc/sysrq-trigger": _path("file", PROC, write="ok"),
            "/proc/sys/vm/panic_on_oom": _path("file", PROC, write="ok"),
            "/proc/sys/kernel/panic": _path("file", PROC, write="ok"),
            "/proc/sys/kernel/core_pattern": _path("file", PROC, write="ok"),
            "/sys/firmware": _path("dir", SYSFS, entries=3),
            "cgroup.procs:/sys/fs/cgroup": _path("file", CGROUP2, write="ok"),
        },
        "tries": {row: _try(UNFILTERED[row]) for row in ROWS},
        "memory_total": 8 << 30,
        "swap_total": 0,
        "cpus": 4,
        "machine_id": "a" * 32,
        "canary": None,
    }


def _system_inside() -> Dict:
    system = _host_system()
    null = {"type": "char", "rdev": [1, 3], "fstype": DEVTMPFS, "read_only": False, "entries": None, "write": None}
    system |= {"hostname": "box", "proc_self": "7", "processes": 2, "machine_id": None}
    system |= {"tasks": [{"pid": 1, "name": "probe"}], "interfaces": [{"name": "lo", "flags": 73, "addresses": []}]}
    system |= {"devices": [*_default_devices(), _device("/dev/pts/0", "char", 136, 0)]}
    system |= {"canary": {"pid": 3999, "signal": "ESRCH", "same": False}}
    system["paths"] = {
        "/sys": _path("dir", SYSFS, entries=10, read_only=True),
        "/proc/kcore": dict(null),
        "/proc/keys": dict(null),
        "/proc/sysrq-trigger": _path("file", PROC, write="EROFS", read_only=True),
        "/proc/sys/vm/panic_on_oom": _path("file", PROC, write="EROFS", read_only=True),
        "/proc/sys/kernel/panic": _path("file", PROC, write="EROFS", read_only=True),
        "/proc/sys/kernel/core_pattern": _path("file", PROC, write="EROFS", read_only=True),
        "/sys/firmware": _path("dir", TMPFS, entries=0, read_only=True),
        "/proc/kmsg": dict(ABSENT),
        "cgroup.procs:/sys/fs/cgroup": _path("file", CGROUP2, write="EROFS", read_only=True),
    }
    refused = {"unshare.newuser", "clone3.null", "adjtimex.bad_tick", "syscall.unknown"}
    system["tries"] = {row: _try("ENOSYS" if row in refused else "EPERM") for row in ROWS}
    return system


def _default_devices() -> list[Dict]:
    numbers = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
    return [_device(f"/dev/{name}", "char", *number) for name, number in numbers.items()]


def _device(path: str, kind: str, major: int, minor: int, open_: str | None = None) -> Dict:
    return {"path": path, "kind": kind, "major": major, "minor": minor, "open": open_}


def _path(
    type_: str, fstype: int, write: str | None = None, entries: int | None = None, read_only: bool = False
) -> Dict:
    return {
        "type": type_,
        "rdev": None,
        "fstype": fstype,
        "read_only": read_only,
        "entries": entries,
        "write": write,
    }


def mount(target: str, fstype: str, minor: int, root: str = "/", major: int = 0, **more: Any) -> Dict:
    """Return one line of mountinfo."""
    line = {
        "id": 100 + minor,
        "parent": 1,
        "major": major,
        "minor": minor,
        "root": root,
        "target": target,
        "options": ["rw"],
        "tags": [],
        "fstype": fstype,
        "source": fstype,
        "super_options": ["rw"],
    }
    return line | more


def _host_mounts() -> list[Dict]:
    return [
        mount("/", "ext4", 1, major=8, tags=["shared:1"]),
        mount("/proc", "proc", 20, tags=["shared:12"]),
        mount("/sys", "sysfs", 21, tags=["shared:7"]),
        mount("/dev", "devtmpfs", 5, tags=["shared:2"]),
        mount("/run", "tmpfs", 22, tags=["shared:5"]),
        mount("/sys/fs/cgroup", "cgroup2", 26, tags=["shared:9"]),
        mount("/home", "ext4", 2, major=8, tags=["shared:30"]),
    ]


def _sandbox_mounts() -> list[Dict]:
    """Return a container's table: everything that a check looks at has an innocent line here."""
    read_only = {"options": ["ro"]}
    return [
        mount("/", "ext4", 1, root=f"{STORE}/overlay/{'e' * 64}/merged", major=8, tags=["master:1"]),
        mount("/proc", "proc", 120),
        mount("/dev", "tmpfs", 121),
        mount("/dev/null", "devtmpfs", 5, root="/null"),
        mount("/dev/mqueue", "mqueue", 122),
        mount("/sys", "sysfs", 123, **read_only),
        mount("/sys/fs/cgroup", "cgroup2", 26, root="/box", **read_only),
        mount("/etc/resolv.conf", "tmpfs", 22, root=f"/containers/overlay-containers/{'a' * 64}/userdata/resolv.conf"),
        mount("/probe", "ext4", 1, root="/usr/lib/isolation/probe", major=8, **read_only),
        mount("/proc/sys", "proc", 120, root="/sys", **read_only),
        mount("/proc/kcore", "devtmpfs", 5, root="/null"),
        mount("/proc/keys", "devtmpfs", 5, root="/null"),
        mount("/sys/firmware", "tmpfs", 124, **read_only),
    ]


def _map(outside: int, count: int) -> list[Dict]:
    return [{"inside": 0, "outside": outside, "count": count}]


def _try(result: str) -> Dict:
    return {"result": result, "value": 0 if result == "ok" else -1}


def _memory_files(kills: int = 0) -> Dict:
    return {"limit": 64 * MIB, "usage": MIB, "peak": 64 * MIB, "oom_kills": kills}


def _cpu_files(throttled: int = 0) -> Dict:
    return {
        "quota_us": 50_000,
        "period_us": 100_000,
        "usage_us": 1,
        "nr_periods": throttled,
        "nr_throttled": throttled,
    }


def _pids_files(refusals: int = 0) -> Dict:
    return {"limit": 64, "current": 1, "refusals": refusals}


def _limits(kills: int = 0, throttled: int = 0, refusals: int = 0) -> Dict:
    return {
        "version": 2,
        "memory": _memory_files(kills),
        "cpu": _cpu_files(throttled),
        "pids": _pids_files(refusals),
    }


def _load(limit: float, ended: str, **seen: Any) -> Dict:
    nobody = {"unobserved": "", "why": "not this load"}
    measured = ("steps_mib", "cpu_us", "wall_us", "spinners", "host_cpus", "children", "fork_error")
    load = {"limit": limit, "refused": "", "warning": "", "shown": _limits(), "inside": limit, "ended": ended}
    return load | dict.fromkeys(measured, nobody) | {"after": _limits(1, 20, 1)} | seen


def _memory() -> Dict:
    return _load(float(64 * MIB), "signal SIGKILL", steps_mib=62)


def _cpu() -> Dict:
    return _load(0.5, "exit 0", cpu_us=1_020_000, wall_us=2_000_000, spinners=4, host_cpus=4)


def _pids() -> Dict:
    return _load(64.0, "exit 0", children=62, fork_error="EAGAIN")


def _reach() -> Dict:
    return {"network": "none", "control": "connected", "outcome": "refused", "token_seen": False, "accepted": 1}
