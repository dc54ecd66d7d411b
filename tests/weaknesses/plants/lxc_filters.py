"""Plants for LXC's seccomp profiles, in LXC's own format (lxc.container.conf(5), SECCOMP CONFIGURATION)."""

from __future__ import annotations

from plant import MAY_MOUNT, Make, Plant, opened
from profiles import CALLS, NAMESPACES, refused
from sound.filters import ALLOWED

from plants.lxc import LXC, define

FAMILIES = ((38, "SCMP_CMP_LT"), (39, "SCMP_CMP_EQ"), (40, "SCMP_CMP_GT"))  # all but AF_ALG and AF_VSOCK, as docker


def denied(allowed: str = "", errno: int = 1) -> Make:
    """Return a Spec with a profile, an allow list without the dangerous calls but one."""
    rules = [*sorted({*ALLOWED, allowed} - {"", "socketcall"}), f"clone allow [0,0,SCMP_CMP_MASKED_EQ,{NAMESPACES}]"]
    rules += [f"socket allow [0,{family},{how}]" for family, how in FAMILIES]
    if errno != 38:  # libseccomp refuses a rule that says what the default says
        rules += [f"{call} errno {errno}" for call in refused() if call != allowed]
    text = "\n".join(("2", "allowlist errno 38", "[all]", *rules, ""))
    return lambda ground: define(f"lxc.seccomp.profile={ground.file('denied', text)}")


BEHIND = {  # what the capabilities that LXC keeps let through once the filter does
    "bpf": ("kern.bpf",),
    "perf_event_open": ("kern.perf",),
    "userfaultfd": ("kern.userfaultfd",),
    "swapon": ("kern.swap_acct_quota",),
    "swapoff": ("kern.swap_acct_quota",),
    "acct": ("kern.swap_acct_quota",),
    "add_key": ("key.quota",),
}
BASES: dict[tuple[str, str], Make] = {("lxc", "profile"): denied()}

PLANTS = (
    Plant(
        "lxc.seccomp.profile cleared",
        LXC,
        {
            "seccomp.mode": "no seccomp filter (mode 0)",
            "seccomp.dangerous": "no filter is installed",
            "seccomp.abi": "no filter is installed",
            "seccomp.sockets": "opens AF_VSOCK",
        },
        opened(
            *("kern.bpf", "kern.perf", "kern.userfaultfd", "kern.swap_acct_quota", "kern.io_uring", "kern.mount_api"),
            *("kern.fanotify", "user.nested_userns", "path.kmsg", "key.quota", *MAY_MOUNT),
        ),
        spec=define("lxc.seccomp.profile="),
        base="profile",
    ),
    *(
        Plant(
            f"a profile that allows {call}",
            LXC,
            # LXC's default filter refuses only this one of them
            {"seccomp.dangerous": call if call == "open_by_handle_at" else "none beyond its default"},
            opened(*BEHIND.get(call, ())),
            spec=denied(allowed=call),
            base="profile",
        )
        for call in CALLS
    ),
    # look-alikes
    *(
        Plant(f"a filter that answers {name}", LXC, spec=denied(errno=errno), base="profile")
        for name, errno in (("ENOSYS", 38), ("EACCES", 13))
    ),
)
