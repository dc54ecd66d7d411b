"""Synthetic weaknesses and look-alikes: IPC objects, keyrings, sockets, the management plane."""

from __future__ import annotations

from fact_parts import INITIAL, PROC, Dict, mount
from sound.ipc import DOCKER
from weakness import Edit, Lookalike, add, mounted, ns, put, row, weak

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
FILE = {"type": "file", "rdev": None, "fstype": PROC, "read_only": True, "entries": None, "write": None}
LINK = {"name": "eth0", "flags": 4163, "addresses": ["10.0.0.2"]}


def inside(*where: str | int, to: object) -> Edit:
    """Return the edit of what the inside saw around it."""
    return put("inside", "system", *where, to=to)


def both(*edits: Edit) -> Edit:
    """Return these edits one after the other."""

    def edit(document: Dict) -> None:
        for one in edits:
            one(document)

    return edit


def socket(path: str, mount: str | None, **more: object) -> Edit:
    """Return the edit that adds a socket to those that the inside saw."""
    return add("inside", "system", "sockets", item=DOCKER | {"path": path, "mount": mount, "bound": False} | more)


def bound(target: str, root: str, **more: object) -> Edit:
    """Return the edit that binds a socket of the host's at `target`; `root` is its path on the host's /run."""
    return both(mounted(mount(target, "tmpfs", 22, root=root)), socket(target, target, **more))


def listening(view: str, port: int, loopback: bool, net: int) -> Edit:
    """Return the edit that adds a listening port."""
    item = {"port": port, "loopback": loopback, "process": "", "net": net}
    return add(view, "system", "ports", item=item)


OWN_NET = INITIAL["net"] + 1000

WEAKNESSES = (
    weak(
        "ptrace.outside",
        "--pid=host --cap-add=SYS_PTRACE",
        both(inside("canary", "environ", to="ok"), inside("canary", "same", to=True)),
        "/proc/3999/environ",
    ),
    weak(
        "ptrace.outside",
        "its maps alone",
        both(inside("canary", "maps", to="ok"), inside("canary", "same", to=True)),
        "/proc/3999/maps",
    ),
    *(
        weak(
            "ptrace.outside",
            f"--pid=host, and a process {cause}",
            lambda d, name=name: d["inside"]["system"]["canaries"][name].update(environ="ok", same=True),
            f"of a process of the host {cause}",
        )
        for name, cause in (
            ("same_user", "with its own user and no capability"),
            ("container", "with the capabilities of a container"),
        )
    ),
    weak(
        "ptrace.outside",
        "--pid=host, where no process of its own user was tried",
        both(ns("pid"), lambda d: d["inside"]["system"]["canaries"].clear()),
        "same_user could not be observed",
        "ns.pid",
        "ns.pid.procfs",
        verdict="unknown",
    ),
    weak(
        "ptrace.outside",
        "--pid=host, where a user could start no weaker process, and its peer's process is open",
        both(
            ns("pid"),
            lambda d: d["inside"]["system"]["canaries"].clear(),
            lambda d: d["inside"]["system"]["peers"][0].update(maps="ok", same=True),
        ),
        "/proc/5252/maps of its peer's process",
        "ns.pid",
        "ns.pid.procfs",
    ),
    weak(
        "ptrace.outside",
        "--pid=host, which its peer's process is of too",
        lambda d: d["inside"]["system"]["peers"][0].update(maps="ok", same=True),
        "/proc/5252/maps of its peer's process",
    ),
    weak("key.session", "--no-new-keyring", inside("keys", to={"session": "ok", "serial": 4000}), "is the host's"),
    weak(
        "key.quota",
        "a user namespace that the peer's ids are of too",
        row("add_key.null", "EFAULT"),
        "its peer's too",
        "seccomp.dangerous",
    ),
    weak(
        "key.quota",
        "rootful, and a profile that allows add_key",
        row("add_key.null", "EFAULT"),
        "the host's uid 0",
        "seccomp.dangerous",
        record="docker",
    ),
    weak("ipc.sysv_mq", "--ipc=host", inside("objects", "shm", to="ok"), "segment is there"),
    weak("ipc.sysv_mq", "a queue of another's mode", inside("objects", "mqueue", to="EACCES"), "queue is there"),
    weak("ipc.sysv_mq", "a queue", inside("objects", "mqueue", to="ok"), "queue is there", record="vm"),
    weak("ipc.abstract", "--network=host", inside("objects", "abstract", to="ok"), "@isolation-r-1"),
    weak(
        "ipc.host_sockets",
        "-v /home/x/agent:/agent",
        both(mounted(mount("/agent", "ext4", 2, root="/x/agent", major=8)), socket("/agent", "/agent", device=[8, 2])),
        "/agent from /x/agent",
    ),
    weak(
        "ipc.host_sockets",
        "a folder with a socket in it",
        both(mounted(mount("/d", "ext4", 2, root="/x", major=8)), socket("/d/agent", "/d", device=[8, 2])),
        "/d/agent from /x/agent",
        "mnt.host_paths",  # a user's home
    ),
    weak(
        "mgmt.runtime_sock",
        "E.1 row 17: -v /run/docker.sock:/run/x.sock",
        bound("/run/x.sock", "/docker.sock"),
        "/run/x.sock from /docker.sock",
        "ipc.host_sockets",
        "mnt.host_paths",
    ),
    weak(
        "mgmt.runtime_sock",
        "at a well-known path, mounted by nobody that is seen",
        socket("/run/podman/podman.sock", None),
        "/run/podman/podman.sock",
    ),
    weak(
        "mgmt.runtime_sock",
        "the host's by its inode alone",
        both(mounted(mount("/x", "tmpfs", 22, root="/plain")), socket("/x", "/x")),
        "/x from /plain",
        "ipc.host_sockets",
        "mnt.host_paths",
    ),
    weak(
        "mgmt.runtime_tcp",
        "dockerd -H tcp://BRIDGE:2375",
        both(listening("host", 2375, False, INITIAL["net"]), add("inside", "system", "interfaces", item=LINK)),
        "port 2375 (docker)",
    ),
    weak(
        "mgmt.runtime_tcp",
        "in an engine's own network namespace, on loopback",
        listening("host", 2376, True, OWN_NET),
        "port 2376 (docker)",
    ),
    weak(
        "mgmt.runtime_tcp",
        "--network=host",
        both(ns("net"), listening("inside", 2375, True, INITIAL["net"])),
        "port 2375 (docker)",
        "ns.net",
    ),
    weak("mgmt.sock_mode", "chmod 666", put("host", "system", "sockets", 0, "mode", to=0o666), "docker.sock is 0666"),
    weak("mgmt.kubelet", "a token", inside("paths", TOKEN, to=dict(FILE)), "token is at /var/run/secrets"),
    weak(
        "mgmt.kubelet",
        "a kubelet on the node's address",
        both(listening("host", 10250, False, INITIAL["net"]), add("inside", "system", "interfaces", item=LINK)),
        "port 10250 (kubelet)",
    ),
    weak(
        "mgmt.devincus",
        "secrets in user.*",
        inside("guest_api", to={"path": "/dev/incus/sock", "result": "ok", "user_keys": 2}),
        "2 settings below user.",
    ),
    weak(
        "mgmt.lxcfs",
        "-v /var/lib/lxcfs",
        mounted(mount("/var/lib/lxcfs", "fuse.lxcfs", 93)),
        "/var/lib/lxcfs is LXCFS's /",
    ),
    weak(
        "mgmt.lxcfs",
        "CVE-2015-1342",
        mounted(mount("/cg", "fuse.lxcfs", 93, root="/cgroup")),
        "/cg is LXCFS's /cgroup",
    ),
)

LOOKALIKES = (
    Lookalike("another process's files", "container", inside("canary", "environ", to="ok")),
    Lookalike("ptrace refused by capabilities", "container", inside("canary", "environ", to="EACCES")),
    Lookalike("a session keyring of its own", "container", inside("keys", to={"session": "ok", "serial": 5000})),
    Lookalike("keyctl answered by ENOSYS", "container", inside("keys", to={"session": "ENOSYS", "serial": None})),
    Lookalike("shmget refused by a filter", "container", inside("objects", "shm", to="SIGSYS")),
    Lookalike(
        "a host that makes no objects",
        "container",
        inside("objects", to=None),
        (("ipc.sysv_mq", "not_applicable"), ("ipc.abstract", "not_applicable")),
    ),
    Lookalike("a socket on a tmpfs of its own", "container", socket("/dev/shm/s", "/dev/shm", device=[0, 222])),
    Lookalike("a socket of its own in a volume", "container", socket("/v/s", "/v", device=[8, 2], bound=True)),
    Lookalike("its own engine's socket", "container", socket("/run/docker.sock", None, bound=True, inode=3)),
    Lookalike("its own engine's socket in a VM", "vm", socket("/run/docker.sock", None)),
    Lookalike(
        "an engine's port on the host's loopback",
        "container",
        both(listening("host", 2375, True, INITIAL["net"]), add("inside", "system", "interfaces", item=LINK)),
    ),
    Lookalike(
        "an engine's port, and nothing that leads there", "container", listening("host", 2375, False, INITIAL["net"])
    ),
    Lookalike("its own engine's port", "container", listening("inside", 2375, False, OWN_NET)),
    Lookalike(
        "no engine on the host",
        "container",
        put("host", "system", "sockets", to=[]),
        (("mgmt.sock_mode", "not_applicable"),),
    ),
    Lookalike(
        "a guest API without settings",
        "container",
        inside("guest_api", to={"path": "/dev/lxd/sock", "result": "ok", "user_keys": 0}),
    ),
    Lookalike("LXCFS over /proc/stat", "container", mounted(mount("/proc/stat", "fuse.lxcfs", 93, root="/proc/stat"))),
)
