"""Synthetic weaknesses and look-alikes: namespaces."""

from __future__ import annotations

from facts_factory import INITIAL, PEER_BOOT, Dict
from weakness import Lookalike, ns, proc, put, weak


def without_userns(document: Dict) -> None:
    """Leave it in the host's user namespace, which then owns all that it has."""
    ns("user")(document)
    process = document["outside"]["process"]
    process["owners"] = dict.fromkeys(process["owners"], INITIAL["user"])
    process["user_parents"] = []


WEAKNESSES = (
    weak("ns.pid", "--pid=host", ns("pid"), "host's pid namespace", "ns.pid.procfs"),
    weak("ns.pid.procfs", "NSpid of a namespace above", proc("inside", "nspid", [4242, 7]), "1 levels above"),
    weak("ns.pid.procfs", "/proc/self of another", put("inside", "system", "proc_self", to="4242"), "reads 4242"),
    weak(
        "ns.pid.procfs",
        "-v /proc:/proc",
        put("outside", "process", "mounts", 1, "minor", to=20),
        "the host's own",
        "mnt.host_paths",
    ),
    weak("ns.net", "--network=host", ns("net"), "host's network namespace"),
    weak("ns.mnt", "no mount namespace", ns("mnt"), "host's mount namespace"),
    weak("ns.ipc", "--ipc=host", ns("ipc"), "host's IPC namespace"),
    weak("ns.uts", "--uts=host", ns("uts"), "host's UTS namespace"),
    weak("ns.cgroup", "--cgroupns=host", ns("cgroup"), "host's cgroup namespace"),
    weak("ns.user", "--userns=host", without_userns, "host's user namespace"),
    *(
        weak(
            "ns.owner",
            f"a {kind} namespace of another's user namespace",
            put("outside", "process", "owners", kind, to=INITIAL["user"] + 2000),
            f"owns its {kind} namespace",
        )
        for kind in ("mnt", "net")
    ),
    weak(
        "ns.owner",
        "a net namespace that a user's root may enter",
        put("outside", "process", "owners", "net", to=INITIAL["user"] + 2000),
        "owns its net namespace",
        record="docker",
    ),
    weak(
        "ns.peer",
        "--network=container:PEER",
        put("outside", "process", "namespaces", "net", to=INITIAL["net"] + 2000),
        "its net namespace",
    ),
    weak(
        "ns.exec_parity",
        "exec leaves the pid namespace",
        put("exec", "process", "namespaces", "pid", to=INITIAL["pid"]),
        "another pid namespace",
    ),
    weak(
        "ns.exec_parity",
        "exec --cgroup",
        put("exec", "process", "cgroups", 0, "path", to="/other"),
        "another cgroup",
    ),
)

LOOKALIKES = (
    Lookalike(
        "a net namespace that the host's root made for it",
        "container",
        put("outside", "process", "owners", "net", to=INITIAL["user"]),
    ),
    Lookalike(
        "an owner that cannot be seen from inside",
        "container",
        put("inside", "process", "owners", "net", to={"unobserved": "EPERM", "why": "NS_GET_USERNS of ns/net"}),
    ),
    Lookalike(
        "a made-up boot id (nspawn, LXD)", "docker", put("inside", "boot_id", to=PEER_BOOT), (("vm.boot_id", "holds"),)
    ),
    Lookalike(
        "no time namespace in this kernel", "container", put("outside", "process", "namespaces", "time", to=None)
    ),
    Lookalike("no procfs at all", "container", put("outside", "process", "mounts", 1, "target", to="/elsewhere")),
)
