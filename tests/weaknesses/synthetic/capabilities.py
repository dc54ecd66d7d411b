"""Synthetic weaknesses and look-alikes: capabilities."""

from __future__ import annotations

from weakness import Lookalike, grant, proc, put, row, weak

WEAKNESSES = (
    weak(
        "cap.bounding",
        "--cap-add=SYS_PTRACE",
        grant("outside", "bounding", "SYS_PTRACE"),
        "also holds SYS_PTRACE",
        "cap.restricted",
    ),
    weak(
        "cap.baseline",
        "--cap-add=DAC_READ_SEARCH",
        grant("outside", "effective", "DAC_READ_SEARCH"),
        "holds DAC_READ_SEARCH",
        "cap.dac_read_search",
        record="podman",
    ),
    weak(
        "cap.baseline",
        "permitted, not yet in effect",
        grant("outside", "permitted", "SYS_PTRACE"),
        "holds SYS_PTRACE",
        "cap.sys_ptrace",
        record="podman",
    ),
    weak(
        "cap.sys_admin",
        "--cap-add=SYS_ADMIN",
        grant("outside", "effective", "SYS_ADMIN"),
        "CAP_SYS_ADMIN",
        "cap.baseline",
        record="podman",
    ),
    weak(
        "cap.sys_admin",
        "lists BPF programs",
        row("bpf.prog_get_next_id", "ENOENT"),
        "enumerate the host's BPF",
        "kern.bpf",
    ),
    weak(
        "cap.sys_module",
        "--cap-add=SYS_MODULE",
        grant("outside", "effective", "SYS_MODULE"),
        "CAP_SYS_MODULE",
        "cap.baseline",
        record="podman",
    ),
    weak("cap.sys_module", "finit_module passes", row("finit_module.bad_fd", "EBADF"), "finit_module passes"),
    weak("cap.net_raw", "AF_PACKET opens", row("socket.packet_raw", "ok"), "socket.packet_raw"),
    weak("cap.net_raw", "raw ICMP opens", row("socket.inet_raw", "ok"), "socket.inet_raw"),
    weak(
        "cap.exec_parity",
        "exec --privileged",
        grant("exec", "effective", "SYS_PTRACE"),
        "SYS_PTRACE in its effective set",
    ),
    weak(
        "cap.exec_parity",
        "CVE-2022-27650",
        grant("exec", "inheritable", "CHOWN"),
        "CHOWN in its inheritable set",
    ),
    weak("nnp.set", "no-new-privileges=false", proc("outside", "no_new_privs", 0), "no_new_privs is off", "nnp.setuid"),
)

LOOKALIKES = (
    Lookalike(
        "all capabilities in its own user namespace",
        "container",
        grant("outside", "effective", "SYS_ADMIN"),
        (("cap.restricted", "open"),),
    ),
    Lookalike("fewer than documented", "container", put("target", "capabilities", to=["CAP_CHOWN", "CAP_KILL"])),
    Lookalike(
        "no documented default",
        "container",
        put("target", "capabilities", to=None),
        (("cap.bounding", "not_applicable"),),
    ),
    Lookalike(
        "no modules, and a filter",
        "container",
        put("host", "system", "tries", "finit_module.bad_fd", "result", to="ENOSYS"),
        (("cap.sys_module", "not_applicable"),),
    ),
)
