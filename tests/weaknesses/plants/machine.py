"""Plants in machines of lab.yaml: what only a guest has (AppArmor, /proc/kcore, cgroup v2, swap accounting)."""

from __future__ import annotations

from plant import PROC_SYS, UNMASKED, Make, Plant, flags

DOCKER = ("docker",)
ENGINES = ("docker", "podman")

BASES: dict[tuple[str, str], Make] = {
    (engine, "no profile"): flags("--security-opt", "apparmor=unconfined") for engine in ENGINES
}

PLANTS = (
    Plant(
        "apparmor=unconfined",
        ENGINES,
        # lsm.distinct was open before: engines give all the same profile
        dict.fromkeys(("lsm.confined", "lsm.enforcing", "lsm.writes"), "no mandatory-access label confines it"),
        spec=flags("--security-opt", "apparmor=unconfined"),
        where="machine",
    ),
    # AppArmor's docker-default denies most of these by itself: compared without it
    Plant(
        "systempaths=unconfined, without AppArmor",
        DOCKER,
        {
            **PROC_SYS,
            **UNMASKED,
            "path.kcore": "kcore",
            "path.sysrq": "sysrq-trigger opens for writing",
        },
        {"path.mask_real": "not_applicable"},
        spec=flags("--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined"),
        base="no profile",
        where="machine",
    ),
)
