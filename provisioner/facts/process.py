"""One process: its own values and its sections (process/).

A new section is one module beside this one, and one field here or in system.py.
"""

from __future__ import annotations

from typing import Literal

from provisioner.facts.descriptors import Fd, Handle, Lead
from provisioner.facts.devices import DeviceRules
from provisioner.facts.filters import Filters
from provisioner.facts.forms import AbsolutePath, Bit, CpuList, Id, Ids, LinkToFile, NestedPids, Pid
from provisioner.facts.mounts import Mount, Superblock
from provisioner.facts.namespaces import InCommon, Namespaces, Owners
from provisioner.facts.net_namespace import Network
from provisioner.facts.session import Terminal
from provisioner.facts.status import Capabilities, IdRange, Rlimit, Seccomp
from provisioner.facts.values import Value
from provisioner.observed import Fact, FactMap, Items, Number, Observed, Signed, Text, since_schema


class Cgroup(Observed):
    """One line of /proc/PID/cgroup (cgroups(7)); hierarchy 0 with no controllers is cgroup v2."""

    hierarchy: Number
    controllers: list[Text]
    path: AbsolutePath


class Process(Observed):
    """One process, from /proc/PID."""

    pid: Pid
    nspid: Fact[NestedPids]
    name: Fact[Text]
    start_time: Fact[Number]  # clock ticks since boot, field 22 of stat
    namespaces: Namespaces
    owners: Fact[Owners] = since_schema()
    user_parents: Fact[Items[Number]] = since_schema()  # ancestors of its own, nearest first, if visible
    uid: Fact[Ids]  # real, effective, saved, file system
    gid: Fact[Ids]
    groups: Fact[Items[Id]]
    uid_map: Fact[Items[IdRange]]
    gid_map: Fact[Items[IdRange]]
    setgroups: Fact[Literal["allow", "deny"]]
    capabilities: Fact[Capabilities]
    no_new_privs: Fact[Bit]
    seccomp: Fact[Seccomp]
    lsm: Fact[Text]  # attr/current, "" where no LSM labels processes
    cgroups: Fact[Items[Cgroup]]
    mounts: Fact[Items[Mount]]
    fds: Fact[Items[Fd]]  # inside: those that were open when the server started
    cwd: Fact[Text]
    root: Fact[Text]
    exe: Fact[LinkToFile]
    filters: Fact[Filters] = since_schema()  # only outside, and of a sandbox that this run made
    handles: Fact[FactMap[Fact[Handle]]] = since_schema()  # by descriptor's number, and cwd, root, exe
    environment: Fact[Items[Text]] = since_schema()  # only names
    values: Fact[Items[Value]] = since_schema()  # of the environment, those with a class
    terminal: Fact[Terminal] = since_schema()  # inside: when the server started
    beneath: Fact[Superblock | None] = since_schema()  # what its root is mounted on (statmount(2)); None: on nothing
    device_rules: Fact[DeviceRules] = since_schema()
    keeper: Fact[Items[InCommon]] = since_schema()  # only outside
    cpus_allowed: Fact[CpuList] = since_schema()  # Cpus_allowed_list of proc_pid_status(5)
    ksm_pages: Fact[Number | None] = since_schema()  # proc_pid_ksm_merging_pages(5); None before Linux 5.19
    umask: Fact[Number] = since_schema()
    oom_score_adj: Fact[Signed] = since_schema()
    rlimits: Fact[FactMap[Fact[Rlimit]]] = since_schema()  # by the name of RLIMIT_NAME in lower case
    securebits: Fact[Number] = since_schema()  # capabilities(7); only inside
    dumpable: Fact[Number] = since_schema()  # PR_SET_DUMPABLE(2const); only inside
    network: Fact[Network] = since_schema()
    leads: Fact[Items[Lead]] = since_schema()  # only outside


class TaskState(Observed):
    """A task (process or thread) of the sandbox with another state than its subject (docs/decisions/0009)."""

    pid: Pid  # the thread's
    process: Pid
    nspid: Fact[NestedPids]
    name: Fact[Text]
    namespaces: Namespaces
    uid: Fact[Ids]
    gid: Fact[Ids]
    groups: Fact[Items[Id]]
    capabilities: Fact[Capabilities]
    no_new_privs: Fact[Bit]
    seccomp: Fact[Seccomp]
    lsm: Fact[Text]
    cgroups: Fact[Items[Cgroup]]
    leads: Fact[Items[Lead]] = since_schema()
