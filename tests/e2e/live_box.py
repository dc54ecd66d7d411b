"""For tests with a real box: whether it can be built here, and a command in a machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

from provisioner.connection.address import SshAddress
from provisioner.machines.box.build import find_box

TOOLS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "qemu-img": "qemu-utils", "ssh-keygen": "openssh-client"}
MISSING = [package for tool, package in TOOLS.items() if not shutil.which(tool, path="/usr/bin:/usr/sbin:/bin:/sbin")]
if not shutil.which("qemu-system-x86_64"):
    MISSING.append("qemu-system-x86")
REASON = (
    f"apt-get install --no-install-recommends {' '.join(MISSING)}"
    if MISSING
    else "the box is not built, and building it needs root: run once as root"
)
UNAVAILABLE = bool(MISSING) or (os.geteuid() != 0 and find_box() is None)


@dataclass(frozen=True)
class Spec:
    name: str
    cpus: int = 2
    memory: int = 1024
    cgroup: Literal["v1", "v2"] = "v2"
    driver: Literal["kvm", "qemu"] | None = None


def in_machine(address: SshAddress, command: str) -> str:
    """Run a shell command in a machine, and return what it printed."""
    known_hosts = f"-oKnownHostsCommand=/bin/echo %H {address.host_key}"
    argv = ["ssh", "-F", "/dev/null", "-i", str(address.private_key), "-p", str(address.port), "-oBatchMode=yes"]
    argv += ["-oIdentitiesOnly=yes", "-oUserKnownHostsFile=/dev/null", "-oStrictHostKeyChecking=yes", known_hosts]
    done = subprocess.run(
        [*argv, f"{address.user}@{address.host}", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=True,
    )
    return done.stdout
