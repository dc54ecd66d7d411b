"""Flags that an engine refuses, by its documentation or on such a host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engines.documented import EVERY, HOSTS

INIT = {"podman": ("/usr/libexec/podman/catatonit", "/usr/bin/catatonit"), "docker": ("/usr/bin/docker-init",)}


def refused(chosen: Mapping[str, Any], engine: str) -> bool:
    """
    Whether the engine refuses to make the container.

    Args:
        chosen: choices by feature.
        engine: "docker" or "podman".
    """
    sysctls = chosen.get("sysctl", ())
    capabilities = chosen.get("capabilities", ())
    everything = chosen.get("privileged") or "+ALL" in capabilities
    root = chosen.get("user", "0").startswith("0")
    return any(
        (
            # docker-run(1) --sysctl: not allowed in a namespace of the host
            chosen.get("network") == "host" and any(one.startswith("net.") for one in sysctls),
            chosen.get("ipc") == "host" and any(one.startswith("kernel.msg") for one in sysctls),
            # docker asks for all that the kernel has, podman for what it holds itself; only root gets them
            engine == "docker" and everything and not EVERY <= HOSTS and root,
            # podman 4.3: another user than root gets those of --cap-add without --cap-drop, beyond the bounding set
            engine == "podman" and not root and "+ALL" in capabilities and any(one[0] == "-" for one in capabilities),
            # podman-run(1) --shm-size: not with the host's IPC namespace, nor without /dev/shm
            engine == "podman" and chosen.get("ipc") in ("host", "none") and "shm" in chosen,
            "init" in chosen and not any(Path(one).exists() for one in INIT[engine]),
        )
    )
