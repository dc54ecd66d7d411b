"""Synthetic weaknesses and look-alikes: processor and memory."""

from __future__ import annotations

from fact_parts import Dict, mount
from sound.kernel import file
from weakness import Edit, Lookalike, mounted, put, weak

STATE = ("host", "system", "kernel_state")
FLAW = (*STATE, "flaws", "mds")
RDTGROUP = 0x7655821


def smt(mine: str, others: str, view: str = "outside", peers: str = "peer_outside") -> Edit:
    """Return the edit that puts both on these processors of a host with two threads a core."""

    def edit(document: Dict) -> None:
        document["host"]["system"]["kernel_state"]["smt_active"] = 1
        document[view]["process"]["cpus_allowed"] = mine
        if document[peers]:
            document[peers]["process"]["cpus_allowed"] = others

    return edit


def merging(view: str, pages: int) -> Edit:
    """Return the edit that makes the host merge pages."""

    def edit(document: Dict) -> None:
        document["host"]["system"]["kernel_state"]["ksm_run"] = 1
        document[view]["process"]["ksm_pages"] = pages

    return edit


def resctrl(write: str) -> Edit:
    """Return the edit that mounts resctrl."""

    def edit(document: Dict) -> None:
        mounted(mount("/sys/fs/resctrl", "resctrl", 61))(document)
        document["inside"]["system"]["paths"]["schemata:/sys/fs/resctrl"] = file(RDTGROUP, write)

    return edit


WEAKNESSES = (
    weak(
        "hw.vulnerabilities",
        "mitigations=off",
        put(*FLAW, to="Vulnerable: Clear CPU buffers attempted, no microcode"),
        "on the host, mds: Vulnerable",
    ),
    weak("hw.vulnerabilities", "KVM alone", put(*FLAW, to="KVM: Vulnerable"), "on the host, mds: KVM"),
    weak("hw.vulnerabilities", "the host of a VM", put(*FLAW, to="Vulnerable"), "on the host, mds", record="vm"),
    weak(
        "hw.vulnerabilities",
        "a guest without the features",
        put("inside", "system", "kernel_state", "flaws", "mds", to="Vulnerable"),
        "in the guest, mds: Vulnerable",
        record="vm",
    ),
    weak("hw.smt", "no cpuset", smt("0-3", "0-3"), "threads of the same core: 0-1, 2-3"),
    weak("hw.smt", "one core split", smt("0,2", "1,3"), "threads of the same core: 0-1, 2-3"),
    weak("hw.smt", "a VM anywhere", smt("0-3", "", view="vmm"), "threads of every core", record="vm"),
    weak(
        "hw.ksm",
        "MemoryKSM=yes",
        put("inside", "system", "tries", "prctl.get_memory_merge", "value", to=1),
        "all its pages are offered for merging",
    ),
    weak("hw.ksm", "merged pages", merging("outside", 12), "12 of its pages are merged"),
    weak("hw.ksm", "a VM's merged pages", merging("vmm", 400), "400 of its pages are merged", record="vm"),
    weak("hw.resctrl", "-v /sys/fs/resctrl", resctrl("ok"), "/sys/fs/resctrl/schemata opens"),
)

LOOKALIKES = (
    Lookalike(
        "threads that leak, reported with a mitigation", "container", put(*FLAW, to="Mitigation; SMT vulnerable")
    ),
    Lookalike(
        "a host that does not know",
        "container",
        put(*FLAW, to="Unknown: No mitigations"),
        (("hw.vulnerabilities", "unknown"),),
    ),
    Lookalike(
        "a kernel that reports none",
        "container",
        put(*STATE, "flaws", to=None),
        (("hw.vulnerabilities", "not_applicable"),),
    ),
    Lookalike("whole cores", "container", smt("0-1", "2-3")),
    Lookalike("a host that has no threads to share", "container", put(*STATE, "smt_active", to=None)),
    Lookalike("a VM on some cores", "vm", smt("0-1", "", view="vmm"), (("hw.smt", "unknown"),)),
    Lookalike("merging, and none of its pages", "container", merging("outside", 0)),
    Lookalike(
        "a kernel before 6.4",
        "container",
        put("inside", "system", "tries", "prctl.get_memory_merge", to={"result": "EINVAL", "value": -1}),
    ),
    Lookalike("resctrl that file modes keep", "container", resctrl("EACCES")),
)
