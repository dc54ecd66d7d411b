"""Synthetic weaknesses and look-alikes: namespaces."""

from __future__ import annotations

from fact_parts import INITIAL, PEER_BOOT, Dict, mount
from weakness import Lookalike, add, mounted, ns, proc, put, weak


def without_userns(document: Dict) -> None:
    """Leave it in the host's user namespace, which then owns all that it has."""
    ns("user")(document)
    process = document["outside"]["process"]
    process["owners"] = dict.fromkeys(process["owners"], INITIAL["user"])
    process["user_parents"] = []


def named_on_both(document: Dict) -> None:
    """Show a namespace that the host has mounted, at a path of the sandbox's."""
    line = mount("/run/netns/a", "nsfs", 4, root="net:[77]")
    document["host"]["process"]["mounts"].append(line)
    document["outside"]["process"]["mounts"].append(line | {"target": "/n/a"})


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
    weak("ns.user", "--userns=host", without_userns, "host's user namespace", "user.range_disjoint"),
    weak("ns.time", "no time namespace", ns("time"), "host's time namespace"),
    *(
        weak(
            f"ns.{kind}",
            f"--{kind}=host of a daemon in a {kind} namespace of its own",
            add("outside", "process", "keeper", item={"kind": kind, "pid": 812, "name": "dockerd"}),
            f"{kind} namespace of process 812 (dockerd), which is the host's to its engine".replace(
                "net n", "network n"
            ),
        )
        for kind in ("net", "cgroup", "time")
    ),
    weak(
        "ns.ipc",
        "--ipc=host of a daemon in an IPC namespace of its own",
        add("outside", "process", "keeper", item={"kind": "ipc", "pid": 812, "name": "dockerd"}),
        "IPC namespace of process 812 (dockerd)",
    ),
    weak(
        "ns.uts",
        "--uts=host of a daemon in a UTS namespace of its own",
        add("outside", "process", "keeper", item={"kind": "uts", "pid": 812, "name": "dockerd"}),
        "UTS namespace of process 812 (dockerd)",
    ),
    weak(
        "ns.join",
        "-v /proc/1/ns/net:/n",
        mounted(mount("/n", "nsfs", 4, root=f"net:[{INITIAL['net']}]")),
        f"/n leads to net:[{INITIAL['net']}]",
    ),
    weak("ns.join", "-v /run/netns:/n", named_on_both, "/n/a leads to net:[77]", "mnt.host_paths"),
    weak(
        "ns.join",
        "a descriptor of the host's mount namespace",
        add("outside", "process", "fds", item={"fd": 7, "target": f"mnt:[{INITIAL['mnt']}]"}),
        "descriptor 7 leads to mnt:",
    ),
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
        "its own namespace bound",
        "container",
        mounted(mount("/n", "nsfs", 4, root=f"net:[{INITIAL['net'] + 1000}]")),
    ),
    Lookalike("a namespace of a container in it, bound", "container", mounted(mount("/n", "nsfs", 4, root="net:[77]"))),
    Lookalike(
        "a descriptor of its own namespace",
        "container",
        add("outside", "process", "fds", item={"fd": 2, "target": f"net:[{INITIAL['net'] + 1000}]"}),
    ),
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
    Lookalike("no procfs at all", "container", put("outside", "process", "mounts", 1, "fstype", to="tmpfs")),
)
