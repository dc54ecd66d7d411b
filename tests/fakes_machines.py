"""Machines that are none: what a lab's commands do with them is written down, and what they are is set by the test.

`FakeMachine` implements provisioner.machines.protocol.Machine; all of one name share one `Kept`, as processes share a
machine's folder.  `FakeLab` is a lab of them: its lab.yaml is real, and so are its folder, its locks and its journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.connection.address import SshAddress
from provisioner.converge.apply import Applied
from provisioner.converge.kinds import Aspect, Change
from provisioner.converge.plan import Plan
from provisioner.converge.role import Role
from provisioner.converge.state import Wanted
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.machines import find as lookup
from provisioner.machines import operations as verbs
from provisioner.machines import prepare as ready
from provisioner.machines.box.build import Box
from provisioner.machines.lab import Lab, MachineSpec, load_lab
from provisioner.machines.protocol import Status


@dataclass
class Kept:
    """What there is of one machine: `did` is all that was done with it, in order; `faults` fail by their verb."""

    status: Status = "absent"
    snapshots: list[str] = field(default_factory=list)
    pid: int = 100
    did: list[str] = field(default_factory=list)
    faults: dict[str, BaseException] = field(default_factory=dict)
    hooks: dict[str, Callable[[], None]] = field(default_factory=dict)
    drift: int = 0  # resources that are not as their roles want them
    broken: str = ""  # why a promise does not hold
    netns: str | None = None
    reboots: bool = False  # the next `up` finds other hardware in lab.yaml

    def do(self, verb: str, what: str = "") -> None:
        """Write down what is done, run the test's hook, and fail where the test wants that."""
        self.did.append(f"{verb} {what}".strip())
        self.hooks.get(verb, lambda: None)()
        if verb in self.faults:
            raise self.faults[verb]


class FakeMachine:
    """One machine, as a provider would return it."""

    def __init__(self, spec: MachineSpec, kept: Kept) -> None:
        self.spec = spec
        self.kept = kept

    @property
    def name(self) -> str:
        return self.spec.name

    def up(self) -> None:
        self.kept.do("up")
        if self.kept.status != "running" or self.kept.reboots:
            self.kept.pid += 1
        self.kept.status = "running"

    def status(self) -> Status:
        return self.kept.status

    def ssh(self) -> SshAddress:
        self.kept.do("ssh")
        if self.kept.status != "running":
            raise IsolationError(f"cannot reach machine '{self.name}': it does not run", f"provisioner up {self.name}")
        return SshAddress("127.0.0.1", 2222, "root", Path("/keys/login"), "ssh-ed25519 AAAA", self.kept.netns)

    def snapshot(self, name: str) -> None:
        self.kept.do("freeze", name)
        self.kept.snapshots = [*(one for one in self.kept.snapshots if one != name), name]

    def restore(self, name: str) -> bool:
        if name not in self.kept.snapshots:
            return False
        self.kept.do("restore", name)
        self.kept.pid += 1
        self.kept.status = "running"
        return True

    def snapshots(self) -> list[str]:
        return list(self.kept.snapshots)

    def delete_snapshot(self, name: str) -> None:
        self.kept.do("delete", name)
        self.kept.snapshots.remove(name)

    def console(self) -> str:
        return ""

    def vmm_pid(self) -> int | None:
        return self.kept.pid if self.kept.status == "running" else None

    def down(self, destroy: bool = False) -> None:
        self.kept.do("destroy" if destroy else "down")
        if destroy:
            self.kept.snapshots = []
        if self.kept.status != "absent":
            self.kept.status = "absent" if destroy else "halted"


class FakeLab:
    """
    A lab whose machines are fakes, in a home of its own.

    Args:
        tmp_path: where its lab.yaml and its home lie.
        monkeypatch: puts the fakes in the providers' place.
        text: of lab.yaml.
    """

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path / "home"))
        self.file = tmp_path / "lab.yaml"
        self.file.write_text(text)
        self.built: list[str] = []
        self.box = Box(
            *("debian12", "0123456789ab", tmp_path, tmp_path / "disk", tmp_path / "kernel", tmp_path / "initrd"),
            *("quiet", "root", tmp_path / "key", "ssh-ed25519 AAAA"),
        )
        self.lab: Lab = load_lab(self.file)
        self.machines = {name: Kept() for name in self.lab.machines}
        self.is_built = True
        self._patch(monkeypatch)

    def __getitem__(self, name: str) -> Kept:
        return self.machines[name]

    def tag(self, name: str) -> str:
        """Return the name of a machine's converged snapshot."""
        spec = self.lab.machine(name)
        return ready.snapshot_of(spec, ready.load_roles(spec.roles))

    def _patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def provide(spec: MachineSpec, box: Box | None, lab: Lab, run: Run) -> FakeMachine:
            return FakeMachine(spec, self.machines.setdefault(spec.name, Kept()))

        def build(name: str, bake: Sequence[str] = ()) -> Box:
            self.built.append(name)
            return self.box

        monkeypatch.setattr(lookup, "PROVIDERS", {"qemu": provide, "vagrant": provide})
        monkeypatch.setattr(lookup, "build_box", build)
        monkeypatch.setattr(lookup, "find_box", lambda name, bake=(): self.box if self.is_built else None)
        for module in (ready, verbs):
            monkeypatch.setattr(module, "connect", self._connect)
        monkeypatch.setattr(ready, "converge", self._converge)
        monkeypatch.setattr(verbs, "read_present", lambda connection, roles, variables: connection)
        monkeypatch.setattr(verbs, "plan_changes", self._plan)
        monkeypatch.setattr(verbs, "apply_plan", self._apply)
        monkeypatch.setattr("provisioner.converge.verify.verify_roles", self._verify)

    def _connect(self, machine: FakeMachine, name: str) -> Any:
        machine.ssh()
        return SimpleNamespace(name=name, close=lambda: self[name].do("close"))

    def _converge(self, connection: Any, roles: Sequence[Role], variables: Mapping[str, Any]) -> Applied:
        kept = self[connection.name]
        kept.do("converge")
        changed, kept.drift = kept.drift, 0
        return Applied(connection.name, changed)

    def _plan(self, roles: Sequence[Role], variables: Mapping[str, Any], connection: Any) -> Plan:
        kept = self[connection.name]
        kept.do("plan")
        aspect = Aspect("state", "absent", "installed")
        changes = tuple(Change("package", f"package{at}", (aspect,)) for at in range(kept.drift))
        return Plan(connection.name, Wanted(), changes)

    def _apply(self, connection: Any, plan: Plan) -> Applied:
        self[connection.name].do("apply")
        self[connection.name].drift = 0
        return Applied(connection.name, len(plan.changes), (), 1.0)

    def _verify(self, connection: Any, roles: Sequence[Role]) -> list[Any]:
        from provisioner.converge.verify import Checked

        return [Checked(role.name, f"package {role.name}", self[connection.name].broken) for role in roles]
