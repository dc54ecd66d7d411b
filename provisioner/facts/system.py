"""The system around a process: its own values and its sections (system/).

A new section is one module beside this one, and one field here or in process.py.
"""

from __future__ import annotations

from provisioner.facts.accounts import Group
from provisioner.facts.devices import Device, Nodes
from provisioner.facts.forms import Bit, DeviceNumber, FileType, Pid, Sha256
from provisioner.facts.image import Privileged
from provisioner.facts.ipc import Canary, EnginePort, GuestApi, Keys, Objects, Socket, UserFile
from provisioner.facts.kernel import Kernel, KernelState
from provisioner.facts.platform import Disk, Platform, SshKeys
from provisioner.facts.values import Value
from provisioner.limits.visible import Resources
from provisioner.observed import Answer, Fact, FactMap, Items, Number, Observed, Signed, Text, since_schema


class Path(Observed):
    """
    One path: the results of lstat(2), statfs(2) and an open for writing.

    `type` is "absent", "file", "dir", "symlink", "char", "block", "fifo" or "socket".  `write` is the result of
    open(O_WRONLY|O_NONBLOCK|O_CLOEXEC), closed at once: "ok" or an errno's name; None for paths that are not tried.
    """

    type: FileType
    rdev: DeviceNumber | None  # major, minor of a device node
    fstype: Fact[Number | None]  # statfs f_type
    read_only: Fact[bool | None]  # statvfs ST_RDONLY
    entries: Fact[Number | None]  # of a directory, without . and ..
    write: Answer | None


class Try(Observed):
    """A system call without effect: "ok" or the errno's name, "SIGSYS" or "timeout", and its return value."""

    result: Answer
    value: Signed | None


class Interface(Observed):
    """A network interface: its name, IFF_* flags (netdevice(7)) and addresses as text."""

    name: Text
    flags: Number
    addresses: list[Text]


class Task(Observed):
    """A process seen in /proc."""

    pid: Pid
    name: Text


class System(Observed):
    """The system as a process sees it."""

    kernel: Kernel
    hostname: Text
    proc_self: Fact[Text]  # readlink /proc/self
    init_maps: Fact[Answer] = since_schema()  # opening those of its pid namespace's process 1: ptrace(2)'s access
    # files of the user who starts the sandbox that it sees; None: none was named
    user_files: Fact[Items[UserFile] | None] = since_schema()
    processes: Fact[Number]  # numeric entries of /proc
    tasks: Fact[Items[Task]]  # the first 64 of them
    lsms: Fact[Text]  # /sys/kernel/security/lsm
    interfaces: Fact[Items[Interface]]
    devices: Fact[Items[Device]]  # below /dev
    nodes: Fact[Nodes] = since_schema()
    paths: FactMap[Fact[Path]]
    tries: FactMap[Fact[Try]]
    device_node: Fact[Answer] = since_schema()  # opening a node made inside, with a number that was not granted
    root_access: Fact[Answer] = since_schema()  # faccessat2(2) of / for writing, AT_EACCESS
    legacy_tiocsti: Fact[Bit | None] = since_schema()  # sysctl dev.tty.legacy_tiocsti; None before Linux 6.2
    kernel_state: Fact[KernelState] = since_schema()
    memory_total: Fact[Number]  # bytes, MemTotal
    swap_total: Fact[Number]
    cpus: Fact[Number]  # online
    resources: Fact[Resources] = since_schema()  # memory and processors, as each interface tells them
    machine_id: Fact[Text | None]
    canary: Fact[Canary | None]
    # the peer's subject by each of its pids; None: no peer was named
    peers: Fact[Items[Canary] | None] = since_schema()
    # processes of the host that hold less than `canary`, by name (hosts/canary_processes.py)
    canaries: Fact[FactMap[Fact[Canary]]] = since_schema()
    platform: Fact[Platform] = since_schema()
    ssh: Fact[SshKeys] = since_schema()
    entropy: Fact[Sha256] = since_schema()  # SHA-256 of 32 bytes of getrandom(2), taken before all else
    objects: Fact[Objects | None] = since_schema()
    keys: Fact[Keys] = since_schema()
    guest_api: Fact[GuestApi | None] = since_schema()
    sockets: Fact[Items[Socket]] = since_schema()
    ports: Fact[Items[EnginePort]] = since_schema()
    disks: Fact[Items[Disk] | None] = since_schema()  # None: not a guest
    privileged: Fact[Privileged] = since_schema()  # of its own root, if the request asked for it
    # groups of the probe's table, by their names in /etc/group; None: there is no such file
    groups: Fact[Items[Group] | None] = since_schema()
    # of the kernel's command line, DMI, fw_cfg and the environments of other processes
    values: Fact[Items[Value]] = since_schema()
