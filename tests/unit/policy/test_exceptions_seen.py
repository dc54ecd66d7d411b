"""Where documented exceptions were met (tests/data/exceptions_seen.json) is known of those that there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provisioner.paths import ROLES
from pytest_isolation.policy.expected import load_expected
from pytest_isolation.reference.runtimes import entries_of, key_of

SEEN: dict[str, dict[str, list[str]]] = json.loads(
    Path(__file__).parents[2].joinpath("data/exceptions_seen.json").read_text("utf-8")
)
NSPAWN_257 = "nspawn 257, as Debian 13 has it"
OTHER_API = "an engine with another API, or an older one"
LSM = "a host with an LSM and this runtime"
# exceptions without a condition that no host of this project's runs could meet, and what would
NEEDS = {
    "path.powercap": "a processor with RAPL: /sys/devices/virtual/powercap",
    "docker run.daemon_opts": OTHER_API,
    "podman run.daemon_opts": OTHER_API,
    "docker seccomp.sockets": "docker 23.0 or newer",
    "gvisor lsm.confined": LSM,
    "gvisor lsm.distinct": LSM,
    "gvisor lsm.enforcing": LSM,
    "gvisor lsm.writes": LSM,
    "nspawn lim.core": "a host whose root has CAP_SYS_RESOURCE",
    "nspawn dev.fuse_tun": NSPAWN_257,
    "nspawn dev.nodes": NSPAWN_257,
    "nspawn mnt.host_paths": NSPAWN_257,
    "nspawn mnt.locked_ro": NSPAWN_257,
    "nspawn path.mask_real": NSPAWN_257,
    "nspawn nnp.setuid": "an image with a setuid file",
    "podman proc.exec_parity": "an image without the user of --user",
    "qemu lsm.confined": LSM,
    "qemu lsm.enforcing": LSM,
}
RUNTIMES = sorted(path.parent.name for path in ROLES.glob("*/expected.yaml"))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_was_seen_is_documented(runtime: str) -> None:
    known = {key_of(check, entry) for check, entry in entries_of(load_expected(ROLES / runtime / "expected.yaml"))}

    assert sorted(SEEN.get(runtime, {}).keys() - known) == [], "run script/exceptions with the reports of new runs"
    assert all(SEEN.get(runtime, {}).values())


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_exception_that_depends_on_nothing_was_seen(runtime: str) -> None:
    """What no condition restricts is met by each run; an exception that nobody met may be none."""
    entries = entries_of(load_expected(ROLES / runtime / "expected.yaml"))
    plain = {key_of(check, entry) for check, entry in entries if not entry.when.model_dump(exclude_none=True)}

    lacking = sorted(plain - SEEN.get(runtime, {}).keys())
    assert [key for key in lacking if not {check := key.split(" ")[0], f"{runtime} {check}"} & NEEDS.keys()] == []
