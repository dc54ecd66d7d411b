"""The process that a config.json makes, derived only from the runtime-spec, user_namespaces(7) and capabilities(7).

In: a config.json and properties of this host.  Out: `World`, which predict.py reads.  Knows nothing of the suite.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Config = dict[str, Any]
# what `runc spec` and `crun spec` write
STOCK_BOUNDING = frozenset({"AUDIT_WRITE", "KILL", "NET_BIND_SERVICE"})
KERNEL = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


@dataclass(frozen=True)
class World:
    """
    One configuration on one host.

    Attributes:
        config: the config.json.
        runtime: the runtime's name; only its known faults depend on it.
        private: whether the runtime lives in a mount namespace whose mounts propagate nowhere.
        stock_bounding: the bounding set of the runtime's stock configuration.
    """

    config: Config
    runtime: str
    private: bool
    stock_bounding: frozenset[str] = STOCK_BOUNDING

    def has(self, kind: str) -> bool:
        """Whether it gets its own namespace of a kind (config-linux.md, "Namespaces")."""
        return any(one["type"] == kind and not one.get("path") for one in self.config["linux"]["namespaces"])

    @property
    def uid(self) -> int:
        return int(self.config["process"]["user"]["uid"])

    @property
    def gid(self) -> int:
        return int(self.config["process"]["user"]["gid"])

    @property
    def groups(self) -> list[int]:
        return list(self.config["process"]["user"].get("additionalGids", ()))

    def on_host(self, uid: int) -> int | None:
        """Return what an id inside is on the host; None where it is mapped nowhere."""
        if not self.has("user"):
            return uid
        for line in self.config["linux"]["uidMappings"]:
            if line["containerID"] <= uid < line["containerID"] + line["size"]:
                return int(line["hostID"] + uid - line["containerID"])
        return None

    def maps(self, what: str, id_: int) -> bool:
        """Whether an id of the host ("uid" or "gid") can be had inside, at whatever id."""
        lines = self.config["linux"][f"{what}Mappings"] if self.has("user") else [{"hostID": 0, "size": 1 << 32}]
        return any(line["hostID"] <= id_ < line["hostID"] + line["size"] for line in lines)

    @property
    def host_root(self) -> bool:
        """Whether the process is the host's root."""
        return self.on_host(self.uid) == 0

    @property
    def no_new_privs(self) -> bool:
        return bool(self.config["process"].get("noNewPrivileges", False))

    def asked(self, key: str) -> frozenset[str]:
        """Return a set of capabilities as the configuration sets it, without "CAP_"."""
        return frozenset(name.removeprefix("CAP_") for name in self.config["process"]["capabilities"].get(key, ()))

    @cached_property
    def ambient(self) -> frozenset[str]:
        """capabilities(7): one can be ambient only if it is both permitted and inheritable."""
        return self.asked("ambient") & self.asked("permitted") & self.asked("inheritable")

    @cached_property
    def permitted(self) -> frozenset[str]:
        """
        What is permitted after the payload's execve(2), which transforms the sets (capabilities(7)).

        Of root all file capabilities count as set: P' = I | B, and with no_new_privs no more than before.  Of another
        user, whose file has none, the ambient ones remain.
        """
        if self.uid != 0:
            return self.ambient
        gained = self.asked("inheritable") | self.asked("bounding")
        return (gained & self.asked("permitted") if self.no_new_privs else gained) | self.ambient

    @property
    def effective(self) -> frozenset[str]:
        """Root's file has its effective bit set, ambient ones are in effect: what is permitted."""
        return self.permitted

    @property
    def over_host(self) -> frozenset[str]:
        """user_namespaces(7): capabilities in a user namespace of one's own are none over the host."""
        return frozenset() if self.has("user") else self.effective

    @property
    def opens_roots_files(self) -> bool:
        """
        Whether it may open for writing what only the host's root may: by its uid, or by CAP_DAC_OVERRIDE.

        inode_capable (capabilities(7), user_namespaces(7)): the capability counts for files whose owner is mapped.
        """
        maps_root = not self.has("user") or any(line["hostID"] == 0 for line in self.config["linux"]["uidMappings"])
        return self.host_root or (maps_root and "DAC_OVERRIDE" in self.effective)

    def refused(self, call: str, *args: int) -> bool:
        """
        Whether its filter refuses a system call (config-linux.md, "Seccomp").

        Args:
            call: name of the call.
            args: its arguments; missing ones are 0.
        """
        seccomp = self.config["linux"].get("seccomp")
        if not seccomp:
            return False
        actions = {rule["action"] for rule in seccomp["syscalls"] if call in rule["names"] and _meets(rule, args)}
        return "SCMP_ACT_ALLOW" not in (actions or {seccomp["defaultAction"]})

    @property
    def denies_by_default(self) -> bool:
        """Whether its filter refuses the calls that it does not name."""
        return self.filtered and self.config["linux"]["seccomp"]["defaultAction"] != "SCMP_ACT_ALLOW"

    @property
    def filtered(self) -> bool:
        return bool(self.config["linux"].get("seccomp"))

    def mount(self, target: str) -> Config:
        """Return the mount at a target."""
        found: Config = next(one for one in self.config["mounts"] if one["destination"] == target)
        return found

    def read_only(self, target: str) -> bool:
        """Whether a mount asks to be read-only."""
        return "ro" in self.mount(target)["options"]

    def bound(self, target: str) -> str:
        """Return the source of the bind at a target, "" where there is none."""
        return str(next((one["source"] for one in self.config["mounts"] if one["destination"] == target), ""))

    def drawn(self, *kinds: str, mode: str = "") -> list[Config]:
        """Return the drawn mounts of these types, in this mode if one is given; of all types if none is."""
        return [
            one
            for one in self.config["mounts"]
            if one["destination"].startswith("/drawn/")
            and (not kinds or one["type"] in kinds)
            and (not mode or mode in one["options"])
        ]

    def masked(self, path: str) -> bool:
        return path in self.config["linux"].get("maskedPaths", ())

    @property
    def masks(self) -> list[str]:
        """Return the masked paths that this kernel has."""
        return [path for path in self.config["linux"].get("maskedPaths", ()) if os.path.exists(path)]

    def shows(self, path: str) -> bool:
        """Whether a path that this kernel has is not masked."""
        return os.path.exists(path) and not self.masked(path)

    def told(self, name: str) -> bool:
        """Whether a variable of this name is in its environment."""
        return any(one.startswith(f"{name}=") for one in self.config["process"]["env"])

    def kept_read_only(self, path: str) -> bool:
        return path in self.config["linux"].get("readonlyPaths", ())

    @property
    def devices(self) -> list[str]:
        return [one["path"] for one in self.config["linux"].get("devices", ())]


def _meets(rule: Config, args: tuple[int, ...]) -> bool:
    """Whether all comparisons of a rule are true (config-linux.md, "Seccomp": args)."""
    return all(_compares(one, args[one["index"]] if one["index"] < len(args) else 0) for one in rule.get("args", ()))


def _compares(one: Config, value: int) -> bool:
    return {
        "SCMP_CMP_EQ": value == one["value"],
        "SCMP_CMP_NE": value != one["value"],
        "SCMP_CMP_LT": value < one["value"],
        "SCMP_CMP_GT": value > one["value"],
        "SCMP_CMP_MASKED_EQ": value & one["value"] == one["valueTwo"],
    }[one["op"]]
