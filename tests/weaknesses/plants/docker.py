"""Plants for docker.  None needs --privileged, which a root without CAP_SYS_RESOURCE may not use."""

from __future__ import annotations

import os

from plant import (
    MAY_MOUNT,
    OTHERS_LINKS,
    PROC_SYS,
    RULES_KERNEL,
    SYSLOG,
    SYSRQ,
    UNMASKED,
    Make,
    Plant,
    flags,
    from_version,
    limited,
    opened,
)

DOCKER = ("docker",)
# whether docker's daemon is the one that `provisioner daemon docker` starts
OWN_DAEMON = "/docker-" in os.environ.get("DOCKER_HOST", "")
HOSTS_NETWORK = "which is the host's to its engine" if OWN_DAEMON else "host's network namespace"

BASES: dict[tuple[str, str], Make] = {("docker", "no raw"): flags("--cap-drop", "NET_RAW")}

PLANTS = (
    # namespaces
    # the daemon that this project starts lives in a network namespace of its own: "host" is that one, and shared by all
    Plant(
        "--network=host, both",
        DOCKER,
        {"ns.net": HOSTS_NETWORK, **({"ns.peer": "its net namespace"} if OWN_DAEMON else {})},
        spec={"network": "host"},
        planted_peer=True,
        apart=OTHERS_LINKS,
    ),
    Plant("--network=host", DOCKER, {"ns.net": HOSTS_NETWORK}, spec={"network": "host"}, apart=OTHERS_LINKS),
    # users
    Plant(
        "the default user",
        DOCKER,
        {"user.nonroot": "uid 0 inside"},
        opened("cap.baseline", "cap.net_raw", "cap.mknod"),  # another user's process has none in effect
        base="user",
    ),
    # capabilities and no_new_privs
    Plant(
        "--cap-add=SYS_ADMIN",
        DOCKER,
        {
            "cap.bounding": "SYS_ADMIN",
            "cap.baseline": "SYS_ADMIN",
            "cap.sys_admin": "CAP_SYS_ADMIN",
            "seccomp.dangerous": "quotactl",
            "user.nested_userns": "user namespace",  # moby's profile allows unshare with the capability
            **MAY_MOUNT,
            **RULES_KERNEL,
        },
        spec=flags("--cap-drop", "NET_RAW", "--cap-add", "SYS_ADMIN"),
        base="no raw",
    ),
    Plant(
        "--cap-add=SYS_MODULE",
        DOCKER,
        {"cap.bounding": "SYS_MODULE", "cap.baseline": "SYS_MODULE", "cap.sys_module": "CAP_SYS_MODULE"},
        spec=flags("--cap-drop", "NET_RAW", "--cap-add", "SYS_MODULE"),
        base="no raw",
    ),
    Plant(
        "--cap-add=DAC_READ_SEARCH",
        DOCKER,
        {
            "cap.bounding": "DAC_READ_SEARCH",
            "cap.baseline": "DAC_READ_SEARCH",
            "cap.dac_read_search": "DAC_READ_SEARCH",
            "seccomp.dangerous": "open_by_handle_at",
        },
        spec=flags("--cap-drop", "NET_RAW", "--cap-add", "DAC_READ_SEARCH"),
        base="no raw",
    ),
    Plant(
        "NET_RAW kept",
        DOCKER,
        {"cap.net_raw": "socket.packet_raw", "cap.baseline": "NET_RAW"},
        base="no raw",
    ),
    *from_version(
        "23",  # from which ALL is what the daemon has, and a drop of another one is refused: moby pull request 42933
        Plant(
            "--cap-add=ALL but what the host has not",
            DOCKER,
            {
                "cap.bounding": "SYS_ADMIN",
                "cap.baseline": "SYS_ADMIN",
                "cap.sys_admin": "CAP_SYS_ADMIN",
                "cap.sys_module": "CAP_SYS_MODULE",
                "cap.net_raw": "socket.packet_raw",
                "seccomp.dangerous": "lets through",
                "user.nested_userns": "user namespace",
                **MAY_MOUNT,
                **RULES_KERNEL,
                **SYSLOG,
            },
            spec=flags("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
            base="no raw",
            also=opened(
                *(
                    "cap.sys_ptrace",
                    "cap.net_admin",
                    "cap.dac_read_search",
                    "cap.rawio_boot_time",
                    "kern.swap_acct_quota",
                ),
                "time.set",
            ),
        ),
        name="--cap-add=ALL",
        spec=flags("--cap-add", "ALL"),
    ),
    # kernel files
    Plant(
        "systempaths=unconfined",
        DOCKER,
        {**PROC_SYS, **SYSRQ, **UNMASKED},
        {"path.mask_real": "not_applicable"},
        spec=flags("--security-opt", "systempaths=unconfined"),
    ),
    # look-alikes
    Plant("an init", DOCKER, spec=flags("--init"), needs="/usr/bin/docker-init"),  # bound in from the host's /usr
    *(
        Plant(
            f"{name} limit refused",
            DOCKER,
            {f"lim.{name}": fragment},
            limit=name,
            verdict="refused",
            overlay=limited(name, flags=list(words)),
        )
        for name, fragment, words in (
            ("memory", "Minimum memory limit allowed", ("--memory", "1b")),
            ("cpu", "Range of CPUs is from", ("--cpus", "4096")),
        )
    ),
)
