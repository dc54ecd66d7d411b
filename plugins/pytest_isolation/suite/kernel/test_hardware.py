"""Checks of the processor and the memory, which all sandboxes of a host share.

Most of these are settings of the host that no runtime changes.
The host's side decides, so that a container that hides the reports does not appear sound.
"""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.filesystem.paths import is_writable
from pytest_isolation.walls.machine.hardware import open_flaws, parse_cpus, shared_cores


@pytest.mark.isolation(
    "hw.vulnerabilities",
    severity="medium",
    profile="baseline",
    gains="reads the memory of the kernel and of others by speculative execution",
    refs=["Documentation/admin-guide/hw-vuln/", "Documentation/ABI/testing/sysfs-devices-system-cpu"],
    shows=["host.system.kernel_state.flaws", "system.kernel_state.flaws"],
    reproduce="grep -r Vulnerable /sys/devices/system/cpu/vulnerabilities",
    remedy="boot the host without mitigations=off and with current microcode; pass the CPU's features on to a guest",
)
def test_processor_flaws_are_mitigated(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The kernel it runs on reports each CPU flaw as mitigated.

    A container runs on the host's kernel: the host's reports decide.
    For a VM, the guest's reports and the host's reports decide.
    "Unknown: No mitigations", and what a guest cannot know, are unknown.
    hw.smt checks leaks between the threads of a core.
    """
    flaws = host_facts.system.kernel_state.flaws
    own = None if sandbox.shares_kernel else sandbox.system.kernel_state.flaws
    if flaws is None and own is None:
        pytest.skip("the kernel reports no processor flaws")
    found = [f"on the host, {flaw}" for flaw in (open_flaws(flaws, "host's flaws") if flaws else [])]
    found += [f"in the guest, {flaw}" for flaw in (open_flaws(own, "guest's flaws") if own else [])]
    if found:
        raise Open("; ".join(found))


@pytest.mark.isolation(
    "hw.smt",
    severity="low",
    profile="restricted",
    gains="reads its peer's secrets on the same core",
    refs=["Documentation/admin-guide/hw-vuln/core-scheduling.rst", "cpuset(7)"],
    shows=["host.system.kernel_state.smt_active", "host.system.kernel_state.cores", "process.cpus_allowed"],
    reproduce="cat /sys/devices/system/cpu/smt/active; grep Cpus_allowed_list /proc/PID/status    # on the host",
    remedy="nosmt on the host, or --cpuset-cpus (vcpupin) with whole cores for each tenant",
)
def test_threads_of_a_core_are_not_shared(sandbox: SandboxView, peer: SandboxView, host_facts: HostView) -> None:
    """
    Threads of a core are not shared with another tenant.

    With several threads on a core, two sandboxes on the same core see each other's use of caches and ports.
    Core scheduling would separate them too; the check does not look at it.
    """
    state = host_facts.system.kernel_state
    if not state.smt_active:
        return  # one thread a core, or none of the others in use
    if state.cores is None:
        raise UnobservedFact("host.system.kernel_state.cores", "", "the kernel does not list the threads of a core")
    mine = sandbox.confined.cpus_allowed
    if sandbox.has_outside or sandbox.shares_kernel:
        others = peer.process.cpus_allowed
        shared = shared_cores(state.cores, mine, others)
        if shared:
            raise Open(f"it and its peer may run on the threads of the same core: {', '.join(shared)}")
        return
    everything = frozenset().union(*(parse_cpus(core) for core in state.cores))
    if everything <= parse_cpus(mine):
        raise Open(f"{sandbox.confined_name} may run on the threads of every core")
    raise UnobservedFact("peer.vmm", "", "the CPUs of the second sandbox's process were not observed")


@pytest.mark.isolation(
    "hw.ksm",
    severity="low",
    profile="restricted",
    gains="learns from merged pages what its peer holds in memory",
    refs=["Documentation/admin-guide/mm/ksm.rst", "PR_GET_MEMORY_MERGE(2const)"],
    shows=["host.system.kernel_state.ksm_run", "system.tries[prctl.get_memory_merge]", "process.ksm_pages"],
    reproduce="cat /sys/kernel/mm/ksm/run /proc/PID/ksm_merging_pages    # on the host",
    remedy="echo 2 >/sys/kernel/mm/ksm/run; drop MemoryKSM=yes; libvirt: <memoryBacking><nosharepages/>",
)
def test_its_pages_are_not_merged(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Its pages are not merged with those of its peers.

    A write to a merged page takes longer, which shows that a peer holds the same page.
    A process that starts with merging enabled offers all its pages, whenever the host merges.
    Otherwise only pages that are merged now can be seen.
    """
    run = host_facts.system.kernel_state.ksm_run
    asked = sandbox.system.tries["prctl.get_memory_merge"]  # EINVAL before Linux 6.4, which cannot be asked to
    if run is None:
        pytest.skip("the host's kernel merges no pages")
    offered = sandbox.shares_kernel and asked.result == "ok" and asked.value
    state = "merges now" if run == 1 else "may any time"
    if offered:
        raise Open(f"all its pages are offered for merging, and the host {state}")
    if run == 1:
        pages = sandbox.confined.ksm_pages
        if pages:
            raise Open(f"{pages} of its pages are merged with others")


@pytest.mark.isolation(
    "hw.resctrl",
    severity="low",
    profile="restricted",
    gains="takes cache and memory bandwidth from others",
    refs=["Documentation/filesystems/resctrl.rst", "OCI runtime-spec linux.intelRdt"],
    kinds=["container"],
    kinds_reason="a VM's own kernel divides its caches",
    shows=["process.mounts"],
    reproduce="grep resctrl /proc/self/mounts",
    remedy="drop -v /sys/fs/resctrl:…",
)
def test_caches_cannot_be_divided(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Cache and bandwidth groups are not writable.

    The probe opens the file `schemata` of each resctrl mount for writing.
    """
    if not sandbox.shares_kernel:
        return
    mounted = [mount.target for mount in sandbox.process.mounts if mount.fstype == "resctrl"]
    if not mounted and not any(mount.fstype == "resctrl" for mount in host_facts.process.mounts):
        pytest.skip("no resctrl file system is mounted on the host")
    paths = sandbox.system.paths
    opened = [target for target in mounted if is_writable(paths[f"schemata:{target}"])]
    if opened:
        raise Open(f"{', '.join(opened)}/schemata opens for writing")
