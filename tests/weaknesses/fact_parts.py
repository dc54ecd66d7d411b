"""Parts of made-up facts: processes, systems, mounts of a host and of a sandbox.

In: what differs.  Out: plain dicts.  Numbers that a check reads are those of real systems: initial namespaces have the
same inodes in every kernel.
"""

from __future__ import annotations

from typing import Any

from fact_answers import UNFILTERED, try_of
from fact_limits import limits_of

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
STORE = "/var/lib/containers/storage"
ABSENT = {"type": "absent", "rdev": None, "fstype": None, "read_only": None, "entries": None, "write": None}
PROC, SYSFS, TMPFS, CGROUP2, DEVTMPFS = 0x9FA0, 0x62656572, 0x01021994, 0x63677270, 0x01021994


def target_of(name: str, kind: str, class_: str, boundary: str, runtime: str, capabilities: list[str] | None) -> Dict:
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
        "conditions": {"version": "99.0"},  # newer than each documented change of a default
    }


def facts_of(view: str, boot_id: str, process: Dict, system: Dict | None) -> Dict:
    return {
        "schema": 1,
        "view": view,
        "nonce": "n",
        "probe": "h",
        "boot_id": boot_id,
        "time": 1,
        "process": process,
        "limits": limits_of(),
        "system": system,
    }


def process_of(pid: int, nspid: list[int], uid: int, inodes: dict[str, int], lsm: str) -> Dict:
    return {
        "pid": pid,
        "nspid": nspid,
        "name": "probe",
        "start_time": 100,
        "namespaces": inodes,
        "uid": [uid] * 4,
        "gid": [uid] * 4,
        "groups": [],
        "uid_map": id_map(0, 4294967295),
        "gid_map": id_map(0, 4294967295),
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
        "network": loopback_alone(),
    }


def loopback_alone() -> Dict:
    return {
        "interfaces": [link_of("lo", "", 73, "127.0.0.1/8", "::1/128")],
        "routes": [
            route_of("127.0.0.0/8", "lo", 255, 2),
            route_of("127.255.255.255/32", "lo", 255, 3),
            route_of("::1/128", "lo", 254),
        ],
        "rules": [
            {"family": family, "priority": priority, "table": table}
            for family, priority, table in ((4, 0, 255), (4, 32766, 254), (4, 32767, 253), (6, 0, 255), (6, 32766, 254))
        ],
        "neighbours": [],
    }


def link_of(name: str, kind: str, flags: int, *addresses: str, **settings: int | None) -> Dict:
    """Return an interface as a new network namespace has it."""
    return {
        "name": name,
        "kind": kind,
        "flags": flags,
        "peer_elsewhere": False,
        "addresses": list(addresses),
        "forwarding": 0,
        "route_localnet": 0,
        "forwarding6": 0,
        "accept_ra": 0,
        "disable_ipv6": 0,
    } | settings


def route_of(to: str, interface: str, table: int = 254, type_: int = 1, gateway: str = "") -> Dict:
    return {"to": to, "gateway": gateway, "interface": interface, "table": table, "type": type_}


def host_facts() -> Dict:
    everything = mask_of(("CHOWN", "SYS_ADMIN", "SYS_MODULE", "NET_RAW"))
    process = process_of(pid=4000, nspid=[4000], uid=0, inodes=dict(INITIAL), lsm="unconfined")
    process["capabilities"] |= {"permitted": everything, "effective": everything, "bounding": everything}
    process["mounts"] = host_mounts()
    return facts_of("inside", HOST_BOOT, process, host_system())


def host_system() -> Dict:
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
            *default_devices(),
            device_of("/dev/sda", "block", 8, 0, "ok"),
            device_of("/dev/kvm", "char", 10, 232),
        ],
        "paths": {
            "/sys": path_of("dir", SYSFS, entries=10),
            "/proc/kcore": path_of("file", PROC),
            "/proc/keys": path_of("file", PROC),
            "/proc/sysrq-trigger": path_of("file", PROC, write="ok"),
            "/proc/sys/vm/panic_on_oom": path_of("file", PROC, write="ok"),
            "/proc/sys/kernel/panic": path_of("file", PROC, write="ok"),
            "/proc/sys/kernel/core_pattern": path_of("file", PROC, write="ok"),
            "/sys/firmware": path_of("dir", SYSFS, entries=3),
            "cgroup.procs:/sys/fs/cgroup": path_of("file", CGROUP2, write="ok"),
        },
        "tries": {row: try_of(UNFILTERED[row]) for row in ROWS},
        "memory_total": 8 << 30,
        "swap_total": 0,
        "cpus": 4,
        "machine_id": "a" * 32,
        "canary": None,
    }


def system_inside() -> Dict:
    system = host_system()
    null = {"type": "char", "rdev": [1, 3], "fstype": DEVTMPFS, "read_only": False, "entries": None, "write": None}
    system |= {"hostname": "box", "proc_self": "7", "processes": 2, "machine_id": None}
    system |= {"tasks": [{"pid": 1, "name": "probe"}], "interfaces": [{"name": "lo", "flags": 73, "addresses": []}]}
    system |= {"devices": [*default_devices(), device_of("/dev/pts/0", "char", 136, 0)]}
    system |= {"canary": {"pid": 3999, "signal": "ESRCH", "same": False}}
    system["paths"] = {
        "/sys": path_of("dir", SYSFS, entries=10, read_only=True),
        "/proc/kcore": dict(null),
        "/proc/keys": dict(null),
        "/proc/sysrq-trigger": path_of("file", PROC, write="EROFS", read_only=True),
        "/proc/sys/vm/panic_on_oom": path_of("file", PROC, write="EROFS", read_only=True),
        "/proc/sys/kernel/panic": path_of("file", PROC, write="EROFS", read_only=True),
        "/proc/sys/kernel/core_pattern": path_of("file", PROC, write="EROFS", read_only=True),
        "/sys/firmware": path_of("dir", TMPFS, entries=0, read_only=True),
        "/proc/kmsg": dict(ABSENT),
        "cgroup.procs:/sys/fs/cgroup": path_of("file", CGROUP2, write="EROFS", read_only=True),
        "/sys/fs/cgroup/cgroup.procs": path_of("file", CGROUP2, write="EROFS", read_only=True),
        "/sys/fs/cgroup/memory.max": path_of("file", CGROUP2, write="EROFS", read_only=True),
    }
    refused = {"unshare.newuser", "clone3.null", "adjtimex.bad_tick", "syscall.unknown"}
    system["tries"] = {row: try_of("ENOSYS" if row in refused else "EPERM") for row in ROWS}
    return system


def default_devices() -> list[Dict]:
    numbers = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
    return [device_of(f"/dev/{name}", "char", *number) for name, number in numbers.items()]


def device_of(path: str, kind: str, major: int, minor: int, open_: str | None = None) -> Dict:
    return {"path": path, "kind": kind, "major": major, "minor": minor, "open": open_}


def path_of(
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


def host_mounts() -> list[Dict]:
    return [
        mount("/", "ext4", 1, major=8, tags=["shared:1"]),
        mount("/proc", "proc", 20, tags=["shared:12"]),
        mount("/sys", "sysfs", 21, tags=["shared:7"]),
        mount("/dev", "devtmpfs", 5, tags=["shared:2"]),
        mount("/run", "tmpfs", 22, tags=["shared:5"]),
        mount("/sys/fs/cgroup", "cgroup2", 26, tags=["shared:9"]),
        mount("/home", "ext4", 2, major=8, tags=["shared:30"]),
    ]


def sandbox_mounts() -> list[Dict]:
    """Return a container's table: everything that a check looks at has an innocent line here."""
    read_only = {"options": ["ro"]}
    return [
        mount("/", "ext4", 1, root=f"{STORE}/overlay/{'e' * 64}/merged", major=8, tags=["master:1"]),
        mount("/proc", "proc", 120),
        mount("/dev", "tmpfs", 121, super_options=["rw", "size=65536k"]),
        mount("/dev/null", "devtmpfs", 5, root="/null"),
        mount("/dev/mqueue", "mqueue", 122),
        mount("/sys", "sysfs", 123, **read_only),
        mount("/sys/fs/cgroup", "cgroup2", 26, root="/box-4242", **read_only),
        mount("/etc/resolv.conf", "tmpfs", 22, root=f"/containers/overlay-containers/{'a' * 64}/userdata/resolv.conf"),
        mount("/probe", "ext4", 1, root="/usr/lib/isolation/probe", major=8, **read_only),
        mount("/proc/sys", "proc", 120, root="/sys", **read_only),
        mount("/proc/kcore", "devtmpfs", 5, root="/null"),
        mount("/proc/keys", "devtmpfs", 5, root="/null"),
        mount("/sys/firmware", "tmpfs", 124, **read_only),
    ]


def id_map(outside: int, count: int) -> list[Dict]:
    return [{"inside": 0, "outside": outside, "count": count}]
