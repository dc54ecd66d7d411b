"""Whether the remedy of a finding fits what was done, in the words of its runtime.

In: a check, a verdict and its reason, a plant.  Out: remedies, and words of other engines in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from judging import checks
from plant import Plant

from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.remedies import remedy_for
from pytest_isolation.policy.verdict import Check, check_of

# words of one engine or tool; another one's remedy must not name them
WORDS: dict[str, str] = {
    "docker": r"docker run|docker exec|dockerd|daemon\.json|docker info|docker update|docker network|userns-remap",
    "podman": r"podman run|podman exec|containers\.conf|--userns=auto|podman info|podman network|--http-proxy",
    "oci": r"linux\.seccomp|linux\.namespaces|linux\.maskedPaths|linux\.readonlyPaths|linux\.resources|"
    r"process\.capabilities|process\.apparmorProfile|root\.readonly",
    "lxc": r"lxc\.[a-z]+\.|lxc-attach|lxc-start|lxc\.idmap",
    "nspawn": r"--private-users|--drop-capability=|--bind-ro=|--system-call-filter|SYSTEMD_NSPAWN|systemd-nspawn",
    "bwrap": r"--unshare-[a-z]+|--ro-bind|--seccomp FD|--dev-bind|bwrap",
    "unshare": r"--map-root-user|--mount-proc|--kill-child",
    "flags of run": r"--cap-add|--cap-drop|--security-opt|--privileged|--publish|--cgroupns|--network=",
    "qemu": r"-sandbox on|-fsdev|-virtfs|-nic none|-drive|qemu-system",
    "libvirt": r"libvirt\.|<[a-z]+[ >/]|virsh|qemu\.conf",
}
OWN: dict[str, set[str]] = {
    "docker": {"docker", "flags of run"},
    "podman": {"podman", "flags of run"},
    "runc": {"oci"},
    "crun": {"oci"},
    "gvisor": {"oci", "flags of run"},
    "lxc": {"lxc"},
    "nspawn": {"nspawn"},
    "bwrap": {"bwrap"},
    "unshare": {"unshare", "bwrap"},  # it points to bwrap where it has no setting
    "qemu": {"qemu", "libvirt"},
    "machine": {"libvirt", "qemu"},
}
UNDO = re.compile(r"^(and )?(drop|no|remove|unset|take|end|without|deny|echo|RUN)\b|drop that|^without ")
FLAG = re.compile(r"--?[a-zA-Z][\w-]*(?:[ =][\w./:=,-]+)?")


@cache
def described() -> Mapping[str, Check]:
    """Return the checks by id."""
    return {name: check_of(function) for name, function in checks().items()}


def role(runtime: str) -> str:
    """Return the role of a runtime's name as plants use it."""
    return runtime.partition("-")[0]


def remedy(runtime: str, check: str, verdict: str, reason: str, user: str = "root") -> str:
    """Return the remedy that a finding shows."""
    conditions = Conditions.model_validate({"user": user, "cgroup": "v1", "variant": "default"})
    return remedy_for(described()[check], role(runtime), verdict, reason, conditions)


def given(plant: Plant) -> tuple[str, ...]:
    """Return the flags of a plant, each with its value: "--cap-add=SYS_ADMIN"; none if they are made on the spot."""
    spec = plant.spec if isinstance(plant.spec, Mapping) else {}
    words = [str(word) for word in spec.get("flags", ())]
    found: list[str] = []
    for word in words:
        if word.startswith("-"):
            found.append(word)
        elif found:
            found[-1] = f"{found[-1]}={word}"
    if spec.get("network") == "host" and role(plant.runtimes[0]) in ("docker", "podman"):
        found.append("--network=host")
    return tuple(found)


def asks_for(text: str) -> list[str]:
    """Return the parts of a remedy that add something, not those that take something away."""
    return [part for part in re.split(r"; |, or |; or ", text) if not UNDO.search(part)]


def foreign(text: str, runtime: str) -> list[str]:
    """Return the words of other engines in a text."""
    return [
        found[0] for owner, words in WORDS.items() if owner not in OWN[runtime] if (found := re.search(words, text))
    ]


def foreign_remedies(check: str, kind: str, verdict: str, reason: str, conditions: Conditions) -> dict[str, list[str]]:
    """Return the words of other engines in the remedies of a finding, by runtime; "" in them stands for no remedy."""
    runtimes = ("qemu", "machine") if kind == "vm" else ("docker", "podman", "runc", "lxc", "nspawn")
    texts = {runtime: remedy_for(described()[check], runtime, verdict, reason, conditions) for runtime in runtimes}
    found = {runtime: foreign(text, runtime) if text else [""] for runtime, text in texts.items()}
    return {runtime: words for runtime, words in found.items() if words}
