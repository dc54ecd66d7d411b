"""What is known of a runtime: roles/<name>/runtime.yaml as one frozen object.

In: a role folder.  Out: `Runtime`.  Called by sandbox.py and pytest_isolation's targets.  Its argument lists are
templates still: render.py makes them whole.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest_and_list
from provisioner.files.yaml import load_yaml
from provisioner.limits.limit import limit_names
from provisioner.paths import ROLES
from provisioner.runtimes.attach import Attach
from provisioner.runtimes.settings import Settings
from provisioner.runtimes.version import Version

MACHINE = "machine"  # the runtime whose sandbox is a machine of lab.yaml that runs already
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")

Argv = list[str]
# patterns instead of Literals: the names travel as plain text from here on
LimitName = Annotated[str, Field(pattern=f"^({'|'.join(limit_names())})$")]
NetworkMode = Annotated[str, Field(pattern="^(none|private|host)$")]
# as facts_platform.BusDevice.id names a device; "cpu:" is a feature that lets a guest run guests
DeviceId = Annotated[
    str,
    Field(pattern="^((pci|usb):[0-9a-f]{4}:[0-9a-f]{4}|virtio:[0-9]{1,3}|acpi:[A-Z][A-Z0-9]{6,7}|cpu:(vmx|svm))$"),
]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class State(_Strict):
    """
    How to learn the pid of a sandbox: a command, and where its JSON answer holds the pid.

    That is a JSON pointer: "json:/0/State/Pid", or "json:" for an answer that is nothing but the number (RFC 6901).
    """

    argv: Argv
    pid: str = Field(pattern=r"^json:(/|$)")


class Listing(_Strict):
    """How to list the sandboxes of a run: a command whose lines are names."""

    argv: Argv


class Symptom(_Strict):
    """
    What a runtime says when it cannot start, in a user's words.

    `match` is searched in its error stream; `cause`, which may quote groups of it as \\1, and `mend` are shown;
    `instead` names the option of this runtime that is tried in its place when the user did not name the runtime.
    """

    match: str
    cause: str
    mend: str
    instead: str | None = None


class LimitMap(_Strict):
    """
    How one limit is asked for: flags, keys of the config, or a cgroup made by hand.

    `step` is the smallest amount the runtime can tell apart (1 for whole virtual CPUs).
    """

    flags: Argv = []
    config: dict[str, str] = {}
    cgroup: bool = False
    step: float | None = None


class VolumeMap(_Strict):
    """How a folder of the host is shared: `volume.source` at `volume.target`; a config's template may name `config`."""

    flags: Argv = []
    config: dict[str, str] = {}


class NetworkMap(_Strict):
    """How one network mode is asked for."""

    flags: Argv = []
    remove: list[str] = []


class Config(_Strict):
    """
    A config file in the sandbox's own folder: what makes the runtime's stock one, and what is set in it.

    `set` maps dotted keys to templates; a template that is one expression keeps its type.
    """

    file: str
    argv: Argv
    set: dict[str, str]


class DaemonMap(_Strict):
    """The runtime's daemon, as script/check starts it: in its own data root and network namespace."""

    binary: str
    argv: Argv
    files: dict[str, str] = {}
    ready: Argv
    env: dict[str, str] = {}
    timeout: float = 60.0
    cgroups: list[str] = []


class Verified(_Strict):
    """Where this data was seen to work."""

    where: str
    version: str
    cgroup: Literal["v1", "v2", "hybrid", "any"]
    on: str


class Runtime(_Strict):
    """
    One runtime.

    Attributes:
        name: the role folder's name.
        kind: what its sandboxes are.
        class_: container, emulation, paravirtualisation or hardware-assisted.
        boundary: whose process the outside pid is: process, sentry, vmm, or none when it claims no wall.
        binary: the program that must stand on PATH; None needs nothing.
        needs: further programs.
        image: what is made for it: "archive" (docker-archive tar), "rootfs" (folder), "initramfs", "none".
        define: argument lists with names of their own, which the other templates may use.
        remember: variables by which its client finds its daemon: a later prune needs them too.
        create: attached, speaks the probe's protocol on its standard streams.
        settings: the engine's own, which hold for every sandbox that it makes; None: it has none.
        attach: how to look at sandboxes that somebody else made; None: nobody knows.
        own_cgroups: it makes cgroups below the one that it is started in, which is to be the sandbox's own.
        volume: how a folder of the host is shared with one sandbox; None: it cannot be.
        capabilities: its documented default bounding set (capabilities(7) names without CAP_), None: none documented.
        devices: the devices that its VMs have, by what a guest sees of each, with what it is; None: not declared.
        cannot: what cannot be asked of it, with the reason that a skip shows.
    """

    name: str = ""
    title: str
    kind: Literal["container", "vm"]
    class_: Literal["container", "emulation", "paravirtualisation", "hardware-assisted"] = Field(alias="class")
    boundary: Literal["process", "sentry", "vmm", "none"]
    binary: str | None = None
    needs: list[str] = []
    root: bool = False
    image: Literal["archive", "rootfs", "initramfs", "none"] = "none"
    define: dict[str, Argv] = {}
    environment: dict[str, str] = {}
    remember: list[str] = []
    import_: Argv | None = Field(default=None, alias="import")
    forget: Argv | None = None
    prepare: Config | None = None
    create: Argv
    exec: Argv | None = None
    state: State | None = None
    update: Argv | None = None
    attach: Attach | None = None
    settings: Settings | None = None
    delete: Argv | None = None
    list_: Listing | None = Field(default=None, alias="list")
    limits: dict[LimitName, LimitMap] = {}
    network: dict[NetworkMode, NetworkMap]
    volume: VolumeMap | None = None
    capabilities: list[str] | Literal["all"] | None = None
    devices: dict[DeviceId, str] | None = None
    version: Version | None = None
    symptoms: list[Symptom] = []
    daemon: DaemonMap | None = None
    cannot: dict[str, str] = {}
    conditions: dict[str, str] = {}
    own_cgroups: bool = False
    inject: Literal["mount", "copy", "image"] = "image"
    install: str
    options: dict[str, dict[str, Any]] = {}
    variants: dict[str, dict[str, Any]] = {}
    verified: list[Verified] = []


def runtime_names(roles: Path = ROLES) -> list[str]:
    """Return the names of the roles that hold a runtime.yaml, sorted; without MACHINE, which makes nothing anew."""
    return sorted(name for path in roles.glob("*/runtime.yaml") if (name := path.parent.name) != MACHINE)


def load_runtime(name: str, roles: Path = ROLES) -> Runtime:
    """
    Load what is known of a runtime.

    Args:
        name: "docker", with an option "podman+runc", with a variant "podman-rootless".
        roles: where the role folders are.

    Raises:
        IsolationError: no such runtime, option or variant (naming the nearest), or a fault in the file (naming
            file, line and the nearest key).
    """
    base, _, option = name.partition("+")
    folder, variant = _folder_of(base, roles)
    runtime = load_yaml(roles / folder / "runtime.yaml", Runtime)
    assert isinstance(runtime, Runtime)
    conditions = {"variant": variant or "default", "option": option or "default"}
    for kind, known, wanted in (("variant", runtime.variants, variant), ("option", runtime.options, option)):
        if wanted:
            if wanted not in known:
                raise IsolationError(
                    f"cannot find {kind} '{wanted}' of runtime '{folder}'", hint=_nearest(wanted, known)
                )
            runtime = overlay(runtime, known[wanted], f"{folder}/runtime.yaml: {kind} {wanted}")
    unknown = {
        f"limits.{limit}": f"'{folder}' has no such limit" for limit in limit_names() if limit not in runtime.limits
    }
    return runtime.model_copy(
        update={
            "name": folder,
            "conditions": {**runtime.conditions, **conditions},
            "cannot": {**unknown, **runtime.cannot},
        }
    )


def overlay(runtime: Runtime, changes: Mapping[str, Any], where: str) -> Runtime:
    """Return the runtime with keys replaced, or, for keys that end with "+", lists and maps extended."""
    data = runtime.model_dump(by_alias=True)
    for key, value in changes.items():
        plain = key.removesuffix("+")
        if key.endswith("+"):
            value = _extended(copy.deepcopy(data.get(plain)), value, f"{where}.{key}")
        data[plain] = value
    try:
        return Runtime.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = f"{where}.{'.'.join(str(part) for part in first['loc'])}"
        raise IsolationError(f"cannot read {where}: {first['msg']}") from None


def symptom_in(runtime: Runtime, said: str) -> Symptom | None:
    """Return the first known symptom that a runtime's own words show, if any, its cause filled in from them."""
    for symptom in runtime.symptoms:
        if found := re.search(symptom.match, said, re.MULTILINE):
            return symptom.model_copy(update={"cause": found.expand(symptom.cause)})
    return None


def _extended(old: Any, more: Any, where: str) -> Any:
    if isinstance(old, dict | None) and isinstance(more, dict):
        return {**(old or {}), **more}
    if isinstance(old, list | None) and isinstance(more, list):
        return [*(old or []), *more]
    raise IsolationError(f"cannot read {where}: only a list can extend a list, and a map a map")


def _folder_of(base: str, roles: Path) -> tuple[str, str]:
    names = runtime_names(roles)
    if base in (*names, MACHINE):
        return base, ""
    folder, dash, variant = base.rpartition("-")
    if dash and folder in names:
        return folder, variant
    raise IsolationError(f"cannot find runtime '{base}'", hint=_nearest(base, names))


def _nearest(word: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    return suggest_and_list(word, known, f"there are: {', '.join(sorted(known)) or 'none'}")
