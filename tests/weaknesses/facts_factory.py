"""Sound records, built by code: a container in a user namespace, containers like docker's and podman's, and a VM.

In: nothing.  Out: plain dicts, and `record_of`, which parses one as strictly as an archived record.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from fact_answers import try_of
from fact_limits import (
    MIB,
    core_load,
    cpu_load,
    cpuset_load,
    files_load,
    memory_load,
    nproc_load,
    pids_load,
    refused_reach,
    shm_load,
    swap_load,
)
from fact_parts import (
    HOST_BOOT,
    INITIAL,
    PEER_BOOT,
    VM_BOOT,
    Dict,
    default_devices,
    device_of,
    facts_of,
    host_facts,
    host_mounts,
    host_system,
    id_map,
    process_of,
    sandbox_mounts,
    system_inside,
    target_of,
)
from sound import complete, left_open

from pytest_isolation.records.read import parse_record
from pytest_isolation.records.record import Record
from pytest_isolation.walls.capabilities import mask_of

DOCKER = (
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"),
    *("NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
)


def record_of(document: Dict) -> Record:
    """Parse a record as strictly as an archived one."""
    return parse_record(json.dumps(document).encode(), "synthetic")


def container() -> Dict:
    """A container that lacks no wall: its own user namespace, a non-root payload, all paths hidden."""
    inodes = {kind: inode + 1000 for kind, inode in INITIAL.items()}
    outside = process_of(pid=4242, nspid=[4242, 1], uid=101000, inodes=inodes, lsm="crun-default (enforce)")
    outside |= {"mounts": sandbox_mounts(), "no_new_privs": 1, "seccomp": {"mode": 2, "filters": 1}}
    outside |= {"uid_map": id_map(100000, 65536), "gid_map": id_map(100000, 65536), "exe": "/probe"}
    inside = outside | {"pid": 7, "nspid": [7], "uid": [1000] * 4, "gid": [1000] * 4}
    inside |= {"cgroups": [{"hierarchy": 0, "controllers": [], "path": "/"}]}
    of_namespace = {"root": "/"}  # the root of its cgroup namespace, as it sees it
    inside |= {"mounts": [one | of_namespace if one["fstype"] == "cgroup2" else one for one in sandbox_mounts()]}
    peer_inodes = {kind: inode + 2000 for kind, inode in INITIAL.items()}
    document = {
        "schema": 1,
        "run": "r",
        "target": target_of("podman-rootless", "container", "container", "process", "podman", ["CHOWN", "SETUID"]),
        "host": host_facts(),
        "inside": facts_of("inside", HOST_BOOT, inside, system_inside()),
        "outside": facts_of("outside", HOST_BOOT, outside, None),
        "vmm": None,
        "exec": facts_of("inside", HOST_BOOT, inside | {"pid": 9, "nspid": [9]}, system_inside()),
        "peer_inside": facts_of("inside", HOST_BOOT, inside | {"namespaces": peer_inodes}, system_inside()),
        "peer_outside": facts_of("outside", HOST_BOOT, outside | {"namespaces": peer_inodes, "pid": 4343}, None),
        "loads": {
            "memory": memory_load(),
            "swap": swap_load(),
            "cpu": cpu_load(),
            "pids": pids_load(),
            "files": files_load(),
            "cpuset": cpuset_load(),
            "shm": shm_load(),
            "core": core_load(),
            "nproc": nproc_load(),
        },
        "reaches": {"none": refused_reach()},
    }
    return _apart(document)


def docker() -> Dict:
    """A container of rootful docker on a sound host; DOCKER_OPEN has the checks that its defaults leave open."""
    document = container()
    document["target"] = target_of("docker", "container", "container", "process", "docker", list(DOCKER))
    mask = mask_of(DOCKER)
    for name in ("inside", "outside", "exec", "peer_inside", "peer_outside"):
        process = document[name]["process"]
        process["namespaces"]["user"] = INITIAL["user"]
        process |= {"uid": [0] * 4, "gid": [0] * 4, "no_new_privs": 0, "lsm": "docker-default (enforce)"}
        process |= {"uid_map": id_map(0, 4294967295), "gid_map": id_map(0, 4294967295)}
        process["capabilities"] = {
            "inheritable": 0,
            "permitted": mask,
            "effective": mask,
            "bounding": mask,
            "ambient": 0,
        }
        if document[name]["system"]:
            document[name]["system"]["tries"] |= {
                row: try_of("ok") for row in ("socket.packet_raw", "socket.inet_raw", "mknod.null_device")
            }
    return document


def podman() -> Dict:
    """A container of rootful podman: like docker's, without CAP_NET_RAW."""
    document = docker()
    names = [name for name in DOCKER if name not in ("NET_RAW", "MKNOD", "AUDIT_WRITE")]
    document["target"] = target_of("podman", "container", "container", "process", "podman", names)
    for name in ("inside", "outside", "exec", "peer_inside", "peer_outside"):
        process = document[name]["process"]
        process["lsm"] = "containers-default-0.50.1 (enforce)"
        process["capabilities"] |= dict.fromkeys(("permitted", "effective", "bounding"), mask_of(names))
        if document[name]["system"]:
            document[name]["system"]["tries"] |= {
                row: try_of("EPERM") for row in ("socket.packet_raw", "socket.inet_raw", "mknod.null_device")
            }
    return document


def vm() -> Dict:
    """A VM with a non-root payload and a confined hypervisor's process."""
    guest = process_of(pid=1, nspid=[1], uid=1000, inodes=dict(INITIAL), lsm="")
    vmm = process_of(pid=5151, nspid=[5151], uid=64055, inodes=dict(INITIAL), lsm="libvirt-1234 (enforce)")
    vmm |= {"seccomp": {"mode": 2, "filters": 2}, "mounts": host_mounts()}
    vmm |= {"fds": [{"fd": 0, "target": "/dev/null"}, {"fd": 12, "target": "/var/lib/images/a.qcow2"}]}
    system = host_system() | {"machine_id": "b" * 32, "lsms": "lockdown,capability", "canary": None}
    system["devices"] = [*default_devices(), device_of("/dev/vda", "block", 254, 0, "ok")]
    loads = {"memory": memory_load(), "cpu": cpu_load(), "pids": pids_load()}
    for load in loads.values():
        load |= {"shown": None, "after": None}
    loads["memory"] |= {"inside": 0.9 * 64 * MIB, "steps_mib": 30, "ended": "end of stream"}
    loads["cpu"] |= {"limit": 1.0, "inside": 1, "cpu_us": 1_000_000}
    document = {
        "schema": 1,
        "run": "r",
        "target": target_of("qemu", "vm", "emulation", "vmm", "qemu", None)
        | {
            "cannot": {
                "limits.pids": "a VM has no limit of tasks",
                "limits.cpuset": "a VM has processors of its own",
                "limits.nproc": "a VM has users of its own",
                "limits.core": "a VM has disks of its own",
                "limits.shm": "a VM has memory of its own",
                "limits.swap": "a VM swaps to its own disks",
                "limits.files": "a VM opens files of its own kernel",
                "exec": "QEMU starts no process inside",
            }
        },
        "host": host_facts(),
        "inside": facts_of("inside", VM_BOOT, guest, system),
        "outside": None,
        "vmm": facts_of("outside", HOST_BOOT, vmm, None),
        "exec": {"unobserved": "", "why": "QEMU starts no process inside"},
        "peer_inside": facts_of("inside", PEER_BOOT, guest, system | {"machine_id": "c" * 32}),
        "peer_outside": None,
        "loads": loads,
        "reaches": {"none": refused_reach()},
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
