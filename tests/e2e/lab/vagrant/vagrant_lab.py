"""What tests of Vagrant share: what they need, and the host's network settings, which a lab must not change."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from live_box import REASON, UNAVAILABLE

from provisioner.machines.vagrant.output import INSTALL

TOOLS = ("vagrant", "libvirtd", "virsh", "dnsmasq", "slirp4netns", "nsenter")
MISSING = [tool for tool in TOOLS if not shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")]
NEEDS = [
    pytest.mark.skipif(UNAVAILABLE, reason=REASON),
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"needs {', '.join(MISSING)}: {INSTALL.partition(';')[0]} libvirt-daemon-system libvirt-clients "
        "dnsmasq-base slirp4netns",
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="makes the network namespace of a lab: run as root"),
]


def look_at_the_host() -> dict[str, object]:
    """Return the host's network settings, which a lab must not change, without counters."""
    rules = {}
    for argv in (["nft", "list", "ruleset"], ["iptables-save"], ["ip6tables-save"]):
        if shutil.which(argv[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            text = subprocess.run(argv, capture_output=True, text=True, timeout=300).stdout
            lines = [re.sub(r"\[\d+:\d+\]|counter packets \d+ bytes \d+", "", line) for line in text.splitlines()]
            rules[argv[0]] = [line for line in lines if not line.startswith("#")]
    shown = {
        what: json.loads(subprocess.run(["ip", "-j", *what.split()], capture_output=True, timeout=300).stdout or "[]")
        for what in ("link show", "addr show", "route show table all", "-6 route show table all", "rule show")
    }
    sysctls = sorted(Path("/proc/sys/net/ipv4/conf").glob("*/forwarding"))
    return {
        **rules,
        **shown,
        "forward": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "forwarding": {str(path): path.read_text() for path in sysctls},
        "bridges": sorted(path.parent.name for path in Path("/sys/class/net").glob("*/bridge")),
    }
