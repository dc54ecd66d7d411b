"""The kernel's name, its settings, and what it tells of the machine below it (system/kernel.c)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from provisioner.facts.forms import Bit, CpuList
from provisioner.observed import Answer, Fact, FactMap, Items, Number, Observed, Text, since_schema


class Kernel(Observed):
    """uname(2), and /proc/version whole."""

    sysname: Text
    release: Text
    version: Text
    machine: Text
    banner: Fact[Text]


class Read(Observed):
    """
    A try to read a file that shows the host's state, below /proc and /sys and in each copy of them: "ok" or the errno's
    name; of its contents only the length.

    `fstype` is that of the opened file (statfs(2) f_type), so that a mask or another file in its place shows; `bytes`
    counts at most a page.
    """

    result: Answer
    fstype: Number | None
    bytes: Number | None


class KernelState(Observed):
    """
    Settings and reports of the kernel that the looking process runs on; None where it has no such file.

    `cores` are the processors of each core, as lists such as "0-1"; `flaws` are the reports of
    /sys/devices/system/cpu/vulnerabilities by name.
    """

    reads: FactMap[Fact[Read]]
    addresses: Fact[bool | None]  # whether /proc/kallsyms shows them to this process
    addresses_at: Fact[Items[Text]] = since_schema()  # its further names that show them: copies of procfs
    ptrace_scope: Fact[Annotated[int, Field(ge=0, le=3)] | None]  # kernel.yama.ptrace_scope
    selinux_enforce: Fact[Bit | None]  # /sys/fs/selinux/enforce
    smt_active: Fact[Bit | None]  # /sys/devices/system/cpu/smt/active
    ksm_run: Fact[Annotated[int, Field(ge=0, le=2)] | None]  # /sys/kernel/mm/ksm/run
    cores: Fact[Items[CpuList] | None]
    flaws: Fact[FactMap[Fact[Text]] | None]
