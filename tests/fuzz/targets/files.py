"""The files of roles and of users: role.yaml, runtime.yaml, expected.yaml, remedies.yaml, lab.yaml, isolation.yaml.

Each is read from a folder, as the product does, with the other files of the package beside it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from fuzz.inputs import Sample
from fuzz.targets import Target
from provisioner.converge.role import check_variables, load_roles, roles_hash
from provisioner.errors import IsolationError
from provisioner.machines.lab import load_lab
from provisioner.paths import PACKAGE, ROLES
from provisioner.runtimes.load import load_runtime, overlay
from pytest_isolation.policy import remedies
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.documented_filter import load_refusals
from pytest_isolation.policy.expected import load_expected, load_own_expected
from pytest_isolation.policy.isolation_file import load_isolation_file
from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.verdict import Check, Verdict
from pytest_isolation.results.known import DATA, load_known

TODAY = date(2026, 1, 1)
CONDITIONS = Conditions(version="20.10.24+dfsg1", kernel="6.1.0-18-amd64", lsm="apparmor", cgroup="v1", user="root")


@cache
def folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for the file that is read; it ends with this process."""
    return tempfile.TemporaryDirectory(prefix="fuzz-")


def written(data: bytes, *parts: str) -> Path:
    """Write a file below `folder()`; return its path."""
    path = Path(folder().name).joinpath(*parts)
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


def of_roles(name: str, *roles: str) -> Callable[[], tuple[Sample, ...]]:
    """Return the function that reads this file of these roles as samples."""
    return lambda: tuple(yaml_sample(role, (ROLES / role / name).read_bytes()) for role in roles)


def yaml_sample(name: str, data: bytes) -> Sample:
    text = json.dumps(YAML(typ="safe", pure=True).load(data), default=lambda day: f"raw:{day.isoformat()}")
    return Sample(name, json.loads(text), data)


def read_role(data: bytes) -> None:
    path = written(data, "role", "x", "role.yaml")
    written(b"variables: {x_port: 1}\n", "role", "docker", "role.yaml")
    roles = load_roles(["x"], path.parents[1])
    roles_hash(roles, {"x_port": 2})
    check_variables(roles, {})


def read_runtime(data: bytes) -> None:
    roles = written(data, "runtime", "x", "runtime.yaml").parents[1]
    runtime = load_runtime("x", roles)
    for changes in (*runtime.variants.values(), *runtime.options.values()):
        with suppress(IsolationError):
            overlay(runtime, changes, "x")  # as `load_runtime` does for "x-VARIANT", without reading the file again


def read_expected(data: bytes) -> None:
    expected = load_expected(written(data, "x", "expected.yaml"))
    for check in [*expected.root, "ns.pid"]:
        expected.find(check, CONDITIONS)


def read_own_expected(data: bytes) -> None:
    own = load_own_expected(written(data, "isolation-expected.yaml"), ("docker", "podman"))
    for expected in own.values():
        expected.find("own.check", CONDITIONS)


def read_waivers(data: bytes) -> None:
    waivers = tuple(load_isolation_file(written(data, "isolation.yaml"), None, TODAY).waivers)
    policy = Policy(waivers=waivers, today=TODAY)
    for check in ("ns.pid", "cap.baseline"):
        policy.judge(Check(check), "container", "debian12/docker", "docker", CONDITIONS, Verdict.OPEN, "open")
    policy.unused_waivers(())


def read_remedies(data: bytes) -> None:
    roles = written(data, "remedies", "x", "remedies.yaml").parents[1]
    written(b"remedies: {ns.pid: x}\n", "remedies", "runc", "remedies.yaml")
    remedies._join_remedies.cache_clear()
    remedies._load.cache_clear()
    remedies.load_remedies("x", roles)


def read_lab(data: bytes) -> None:
    lab = load_lab(written(data, "lab.yaml"))
    for name in lab.machines:
        lab.machine(name)


WAIVERS = b"""\
waivers:
  - check: ns.pid
    target: "debian12/*"
    reason: it moves to a VM
    owner: ops
    until: 2026-03-01
  - {check: cap.baseline, target: docker, reason: "x, y", owner: me, until: 2025-12-31}
"""
OWN = b"""\
docker:
  own.check:
    verdict: open
    source: our handbook
    when: {version: ">=20.10,<29", cgroup: v1}
  own.other:
    - {verdict: unknown, source: x}
    - {verdict: ignored, because: y, source: x, when: {kernel: ">=5"}}
podman: {}
"""
LAB = b"""\
machines:
  box:
    box: debian/bookworm64
    box_version: "12.1"
    cpus: 1
    memory: 512
    provider: vagrant
    hypervisor: virtualbox
    roles: [docker]
    variables: {x: 1, y: true}
"""

TARGETS = (
    Target("role", of_roles("role.yaml", "docker", "podman", "lxc"), read_role),
    Target("runtime", of_roles("runtime.yaml", "unshare", "runc", "docker"), read_runtime, few=50),
    Target("expected", of_roles("expected.yaml", "qemu", "machine"), read_expected),
    Target("remedies", of_roles("remedies.yaml", "crun"), read_remedies),
    Target("refusals", of_roles("seccomp.yaml", "docker"), lambda data: load_refusals(written(data, "seccomp.yaml"))),
    Target("own_expected", lambda: (yaml_sample("own", OWN),), read_own_expected),
    Target("waivers", lambda: (yaml_sample("waivers", WAIVERS),), read_waivers),
    Target(
        "lab",
        lambda: (yaml_sample("lab", LAB), yaml_sample("packaged", (PACKAGE / "lab.yaml").read_bytes())),
        read_lab,
    ),
    Target(
        "known",
        lambda: (yaml_sample("known", b"\n- id".join(DATA.read_bytes().split(b"\n- id")[:4])),),
        lambda data: load_known(written(data, "known.yaml")),
    ),
)
