"""Synthetic weaknesses and look-alikes: filters."""

from __future__ import annotations

from weakness import Lookalike, proc, put, row, weak

from pytest_isolation.walls.seccomp.tries import CALLS, PROVE_FILTER, PROVE_LACK

# what rests on there being a label at all
LSM = ("lsm.enforcing", "lsm.distinct", "lsm.writes")
NO_LSM = tuple((check, "not_applicable") for check in ("lsm.confined", "lsm.exec_parity", *LSM[:2]))

WEAKNESSES = (
    weak(
        "seccomp.mode",
        "seccomp=unconfined",
        put("outside", "process", "seccomp", "mode", to=0),
        "no seccomp filter",
        "seccomp.abi",
        "seccomp.exec_parity",
    ),
    weak(
        "seccomp.mode",
        "QEMU without -sandbox",
        put("vmm", "process", "seccomp", "mode", to=0),
        "the hypervisor's process has no seccomp filter",
        "vm.process",
        record="vm",
    ),
    *(
        weak(
            "seccomp.dangerous",
            f"{name} allowed",
            row(name, sorted(answers)[0]),
            CALLS[name],
            *(("key.quota",) if name == "add_key.null" else ()),
        )
        for name, answers in (PROVE_FILTER | PROVE_LACK).items()
    ),
    weak("seccomp.exec_parity", "exec without", put("exec", "process", "seccomp", "mode", to=0), "seccomp mode 0"),
    weak("seccomp.exec_parity", "exec with fewer", put("exec", "process", "seccomp", "filters", to=0), "0 filters"),
    weak(
        "lsm.confined", "apparmor=unconfined", proc("outside", "lsm", "unconfined"), "no mandatory-access label", *LSM
    ),
    weak("lsm.confined", "complain mode", proc("outside", "lsm", "docker-default (complain)"), "not enforced", *LSM),
    weak("lsm.confined", "label=disable", proc("outside", "lsm", "system_u:system_r:spc_t:s0"), "spc_t", *LSM),
    weak(
        "lsm.confined",
        "VM without sVirt",
        proc("vmm", "lsm", "unconfined"),
        "no mandatory",
        LSM[0],
        "vm.process",
        record="vm",
    ),
)

LOOKALIKES = (
    *(
        Lookalike(f"a filter that answers {errno}", "container", row("kcmp.self", errno))
        for errno in ("ENOSYS", "SIGSYS", "EACCES", "EOPNOTSUPP")
    ),
    Lookalike(
        "io_uring (docker 20.10)", "container", row("io_uring.setup_null", "EFAULT"), (("kern.io_uring", "open"),)
    ),
    Lookalike("keyctl and vsock (podman)", "container", row("keyctl.bad_cmd", "EOPNOTSUPP")),
    Lookalike(
        "nested user namespaces (podman)", "container", row("unshare.newuser", "ok"), (("user.nested_userns", "open"),)
    ),
    Lookalike(
        "no userfaultfd in this kernel",
        "container",
        put("host", "system", "tries", "userfaultfd.user_bad_flag", "result", to="ENOSYS"),
    ),
    Lookalike(
        "a kernel without the filters' count", "container", put("exec", "process", "seccomp", "filters", to=None)
    ),
    Lookalike("a second filter in exec", "container", put("exec", "process", "seccomp", "filters", to=2)),
    Lookalike(
        "an SELinux container type", "container", proc("outside", "lsm", "system_u:system_r:container_t:s0:c1,c2")
    ),
    Lookalike("no LSM on the host", "container", proc("host", "lsm", ""), NO_LSM),
)
