"""Synthetic weaknesses and look-alikes: namespaces."""

from __future__ import annotations

from facts_factory import INITIAL, PEER_BOOT
from weakness import Lookalike, ns, proc, put, weak

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
    weak("ns.user", "--userns=host", ns("user"), "host's user namespace"),
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
        "a made-up boot id (nspawn, LXD)", "docker", put("inside", "boot_id", to=PEER_BOOT), (("vm.boot_id", "holds"),)
    ),
    Lookalike(
        "no time namespace in this kernel", "container", put("outside", "process", "namespaces", "time", to=None)
    ),
    Lookalike("no procfs at all", "container", put("outside", "process", "mounts", 1, "target", to="/elsewhere")),
)
