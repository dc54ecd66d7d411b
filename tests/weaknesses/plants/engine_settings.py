"""Plants: an engine-wide setting that takes a wall from every sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ground import Ground
from plant import Make, Plant, flags


def with_conf(text: str) -> Any:
    """Return the overlay that gives podman a containers.conf(5) of the test's own."""

    def overlay(ground: Ground) -> Mapping[str, Any]:
        # it stands in place of all others, and compiled-in defaults hold more capabilities than the distribution's
        held = ", ".join(f'"{name}"' for name in ground.runtime.capabilities or ())
        path = ground.file("containers.conf", f"[containers]\ndefault_capabilities = [{held}]\n{text}\n")
        start = ["env", f"CONTAINERS_CONF={path}"]
        settings = ground.runtime.settings
        assert settings is not None
        return {
            "create": [*start, *ground.runtime.create],
            "settings": {**settings.model_dump(), "argv": [*start, *settings.argv]},
        }

    return overlay


UNCONFINED = flags("--security-opt", "seccomp=unconfined")
BASES: dict[tuple[str, str], Make] = {("podman", "unconfined"): UNCONFINED}

PLANTS = (
    Plant(
        "containers.conf: seccomp_profile unconfined",
        ("podman",),
        {"run.daemon_opts": "seccomp_profile is 'unconfined'"},
        base="unconfined",
        spec=UNCONFINED,
        overlay=with_conf('seccomp_profile = "unconfined"'),
    ),
    Plant(
        "containers.conf: an innocent setting",
        ("podman",),
        overlay=with_conf("log_size_max = 65536"),
    ),
)
