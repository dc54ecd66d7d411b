"""Users, groups, capabilities and no_new_privs."""

from __future__ import annotations

import grp

from predict.rules import NOT_APPLICABLE, OPEN, Rule, open_if, opened_if

# Kubernetes Pod Security Standards, "Capabilities" of the profile baseline
PSS_BASELINE = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
        *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)
# credentials(7): groups that open files of the host, by this host's names; 0 is user.root_mapped's
PRIVILEGED = ("disk", "kmem", "shadow", "sudo", "wheel", "adm", "systemd-journal", "kvm", "docker")
PRIVILEGED_GIDS = [one.gr_gid for one in grp.getgrall() if one.gr_name in PRIVILEGED]
SINGLE = {
    "cap.sys_ptrace": "SYS_PTRACE",
    "cap.net_admin": "NET_ADMIN",
    "cap.dac_read_search": "DAC_READ_SEARCH",
    "cap.mknod": "MKNOD",
}


def holds_over_host(name: str) -> Rule:
    """Return a rule: open with this capability over the host."""
    return open_if(lambda world: name in world.over_host)


RULES: dict[str, Rule] = {
    "user.root_mapped": open_if(lambda world: world.host_root or world.maps("uid", 0) or world.maps("gid", 0)),
    "user.nonroot": open_if(lambda world: world.uid == 0),
    "user.groups": open_if(
        lambda world: (
            bool(set(world.groups) - {world.gid})
            or (world.has("user") and any(world.maps("gid", gid) for gid in PRIVILEGED_GIDS))
        )
    ),
    "user.range_disjoint": lambda world: NOT_APPLICABLE if world.has("user") else OPEN,
    "cap.bounding": open_if(lambda world: bool(world.asked("bounding") - world.stock_bounding)),
    "cap.baseline": open_if(lambda world: bool(world.over_host - PSS_BASELINE)),
    "cap.sys_admin": open_if(lambda world: "SYS_ADMIN" in world.over_host),
    "cap.sys_module": opened_if(lambda world: "SYS_MODULE" in world.over_host),
    # the network namespace is owned by the user namespace that was made with it, or both are the host's
    "cap.net_raw": open_if(lambda world: "NET_RAW" in world.effective),
    "cap.restricted": open_if(
        lambda world: bool((world.asked("bounding") | world.permitted) - frozenset({"NET_BIND_SERVICE"}))
    ),
    **{check: holds_over_host(name) for check, name in SINGLE.items()},
    "cap.rawio_boot_time": open_if(lambda world: bool(world.over_host & {"SYS_RAWIO", "SYS_BOOT", "SYS_TIME"})),
    "cap.bpf_perfmon": open_if(lambda world: bool(world.over_host & {"BPF", "PERFMON", "SYSLOG"})),
    "cap.ambient": open_if(lambda world: bool(world.ambient or world.asked("inheritable"))),
    "nnp.set": open_if(lambda world: not world.no_new_privs),
    "nnp.setuid": open_if(
        lambda world: not world.no_new_privs and (not world.config["root"]["readonly"] or bool(world.bound("/spread")))
    ),
    "time.set": open_if(lambda world: "SYS_TIME" in world.over_host),
    # keyrings(7), /proc/key-users: keys are counted by the user's id on the host
    "key.quota": open_if(lambda world: not world.refused("add_key") and (not world.has("user") or world.host_root)),
}
