"""What one look at a process or a machine saw, as frozen objects.

In: the bytes that the probe answered to `facts` or `outside` (probe/facts.schema.json says their shape).
Out: `Facts`, or one `FactsError`.  Called by sandbox.py for what arrives and by pytest_isolation for what was
archived.  Touches no machine.  What a fact is that nobody saw, observed.py says.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError

from provisioner.facts.descriptors import Device, DeviceRules, Handle, Superblock, Terminal
from provisioner.facts.filters import Filters
from provisioner.facts.image import Privileged
from provisioner.facts.ipc import Canary, EnginePort, GuestApi, Keys, Objects, Socket
from provisioner.facts.kernel import KernelState
from provisioner.facts.namespaces import Owners
from provisioner.facts.platform import Disk, Listener, Platform, SshKeys
from provisioner.limits.document import CgroupFiles
from provisioner.observed import (
    Fact,
    FactMap,
    FactsError,
    Items,
    Number,
    Observed,
    Signed,
    Text,
    check_json,
    first_fault,
    since_schema,
)


class Namespaces(Observed):
    """Inode of /proc/PID/ns/NAME for each kind (namespaces(7)); None where the kernel has no such kind."""

    cgroup: Fact[Number | None]
    ipc: Fact[Number | None]
    mnt: Fact[Number | None]
    net: Fact[Number | None]
    pid: Fact[Number | None]
    time: Fact[Number | None]
    user: Fact[Number | None]
    uts: Fact[Number | None]


NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


class Capabilities(Observed):
    """The five sets of capabilities(7) as bit masks."""

    inheritable: Number
    permitted: Number
    effective: Number
    bounding: Number
    ambient: Number


class Seccomp(Observed):
    """`Seccomp` (0 off, 1 strict, 2 filter) and `Seccomp_filters` (None before Linux 5.9) of proc_pid_status(5)."""

    mode: Number
    filters: Number | None


class Cgroup(Observed):
    """One line of /proc/PID/cgroup (cgroups(7)); hierarchy 0 with no controllers is cgroup v2."""

    hierarchy: Number
    controllers: list[Text]
    path: Text


class Mount(Observed):
    """One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)), octal escapes undone."""

    id: Number
    parent: Number
    major: Number
    minor: Number
    root: Text
    target: Text
    options: list[Text]
    tags: list[Text]  # "shared:3", "master:1", "propagate_from:2", "unbindable"
    fstype: Text
    source: Text
    super_options: list[Text]


class Fd(Observed):
    """One open descriptor and the text of its link in /proc/PID/fd."""

    fd: Number
    target: Text


class IdRange(Observed):
    """One line of uid_map or gid_map (user_namespaces(7)), `outside` as seen by the reader."""

    inside: Number
    outside: Number
    count: Number


class Process(Observed):
    """What /proc/PID tells of one process."""

    pid: Number
    nspid: Fact[list[Number]]
    name: Fact[Text]
    start_time: Fact[Number]  # clock ticks since boot, field 22 of stat
    namespaces: Namespaces
    owners: Fact[Owners] = since_schema()
    user_parents: Fact[Items[Number]] = since_schema()  # above its own, nearest first, as far as the reader may see
    uid: Fact[list[Number]]  # real, effective, saved, file system
    gid: Fact[list[Number]]
    groups: Fact[Items[Number]]
    uid_map: Fact[Items[IdRange]]
    gid_map: Fact[Items[IdRange]]
    setgroups: Fact[Text]
    capabilities: Fact[Capabilities]
    no_new_privs: Fact[Number]
    seccomp: Fact[Seccomp]
    lsm: Fact[Text]  # attr/current, "" where no LSM labels processes
    cgroups: Fact[Items[Cgroup]]
    mounts: Fact[Items[Mount]]
    fds: Fact[Items[Fd]]  # inside: those that were open when the server started
    cwd: Fact[Text]
    root: Fact[Text]
    exe: Fact[Text]
    filters: Fact[Filters] = since_schema()  # outside alone, and of a sandbox that we made
    handles: Fact[FactMap[Fact[Handle]]] = since_schema()  # by descriptor's number, and cwd, root, exe
    environment: Fact[Items[Text]] = since_schema()  # names alone
    terminal: Fact[Terminal] = since_schema()  # inside: when the server started
    beneath: Fact[Superblock | None] = since_schema()  # what its root is mounted on (statmount(2)); None: on nothing
    device_rules: Fact[DeviceRules] = since_schema()
    cpus_allowed: Fact[Text] = since_schema()  # Cpus_allowed_list of proc_pid_status(5)
    ksm_pages: Fact[Number | None] = since_schema()  # proc_pid_ksm_merging_pages(5); None before Linux 5.19


class Kernel(Observed):
    """uname(2), and /proc/version whole."""

    sysname: Text
    release: Text
    version: Text
    machine: Text
    banner: Fact[Text]


class Path(Observed):
    """
    One path as lstat, statfs and a write-open see it.

    `type` is "absent", "file", "dir", "symlink", "char", "block", "fifo" or "socket".  `write` is the result of
    open(O_WRONLY|O_NONBLOCK|O_CLOEXEC) closed at once, on the fixed list of files where that tells something
    ("ok" or an errno's name), else None.
    """

    type: Text
    rdev: list[Number] | None  # major, minor of a device node
    fstype: Fact[Number | None]  # statfs f_type
    read_only: Fact[bool | None]  # statvfs ST_RDONLY
    entries: Fact[Number | None]  # of a directory, without . and ..
    write: Text | None


class Try(Observed):
    """A system call that cannot take effect: "ok" or the errno's name, "SIGSYS" or "timeout", and its return value."""

    result: Text
    value: Signed | None


class Interface(Observed):
    """A network interface: its name, IFF_* flags (netdevice(7)) and addresses as text."""

    name: Text
    flags: Number
    addresses: list[Text]


class Task(Observed):
    """A process seen in /proc."""

    pid: Number
    name: Text


class System(Observed):
    """What a process sees of the system around it."""

    kernel: Kernel
    hostname: Text
    proc_self: Fact[Text]  # readlink /proc/self
    processes: Fact[Number]  # numeric entries of /proc
    tasks: Fact[Items[Task]]  # the first 64 of them
    lsms: Fact[Text]  # /sys/kernel/security/lsm
    interfaces: Fact[Items[Interface]]
    devices: Fact[Items[Device]]
    paths: FactMap[Fact[Path]]
    tries: FactMap[Fact[Try]]
    device_node: Fact[Text] = since_schema()  # opening a node made inside of a number that nobody granted
    root_access: Fact[Text] = since_schema()  # faccessat2(2) of / for writing, AT_EACCESS
    legacy_tiocsti: Fact[Number | None] = since_schema()  # sysctl dev.tty.legacy_tiocsti; None before Linux 6.2
    kernel_state: Fact[KernelState] = since_schema()
    memory_total: Fact[Number]  # bytes, MemTotal
    swap_total: Fact[Number]
    cpus: Fact[Number]  # online
    machine_id: Fact[Text | None]
    canary: Canary | None
    # the peer's subject by each of its numbers; None: none was named
    peers: Fact[Items[Canary] | None] = since_schema()
    platform: Fact[Platform] = since_schema()
    ssh: Fact[SshKeys] = since_schema()
    entropy: Fact[Text] = since_schema()  # SHA-256 of 32 bytes of getrandom(2), the first thing that the request did
    objects: Fact[Objects | None] = since_schema()
    keys: Fact[Keys] = since_schema()
    guest_api: Fact[GuestApi | None] = since_schema()
    sockets: Fact[Items[Socket]] = since_schema()
    ports: Fact[Items[EnginePort]] = since_schema()
    disks: Fact[Items[Disk] | None] = since_schema()  # None: not a guest's
    privileged: Fact[Privileged] = since_schema()  # of its own root, where it was asked for


class TaskState(Observed):
    """A task of the sandbox, process or thread, that shows another state than its subject (docs/decisions/0009)."""

    pid: Number  # the thread's
    process: Number
    nspid: Fact[list[Number]]
    name: Fact[Text]
    namespaces: Namespaces
    uid: Fact[list[Number]]
    gid: Fact[list[Number]]
    groups: Fact[Items[Number]]
    capabilities: Fact[Capabilities]
    no_new_privs: Fact[Number]
    seccomp: Fact[Seccomp]
    lsm: Fact[Text]
    cgroups: Fact[Items[Cgroup]]


class Facts(Observed):
    """
    One document of facts.

    `view` is "inside" (the probe looked at itself) or "outside" (at another process, from the host; `system` is
    then None).  `boot_id` names the kernel that ran the look: with a namespace's inode it is that namespace's
    identity, for initial namespaces have equal inodes in every kernel.
    """

    schema_: Literal[1] = Field(alias="schema")
    view: Literal["inside", "outside"]
    nonce: Text
    probe: Text  # hash of the probe's sources
    boot_id: Fact[Text]
    time: Number  # seconds since 1970
    process: Process
    limits: CgroupFiles
    system: System | None
    tasks: Fact[Items[TaskState] | None] = since_schema()  # None inside; outside: what else runs in the sandbox
    listeners: Fact[Items[Listener]] = since_schema()  # of the view "outside"


def parse_facts(data: bytes, nonce: str | None = None) -> Facts:
    """
    Turn the probe's answer into Facts.

    Args:
        data: the document, at most 1 MiB of UTF-8 JSON.
        nonce: what the document must carry; None accepts any (archived documents).

    Raises:
        FactsError: the bytes are not such a document.
    """
    check_json(data, "facts")
    try:
        facts = Facts.model_validate_json(data)
    except ValidationError as error:
        raise FactsError(f"cannot read the facts: {first_fault(error)}") from None
    if nonce is not None and facts.nonce != nonce:
        raise FactsError("cannot accept the facts: they carry another nonce than this sandbox was given")
    return facts
