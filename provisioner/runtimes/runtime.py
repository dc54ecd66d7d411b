"""A runtime as data: the models of roles/<name>/runtime.yaml.

Argument lists are templates; render.py renders them with the values of one sandbox.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from provisioner.limits.limit import limit_names
from provisioner.runtimes.attach import Attach
from provisioner.runtimes.declared import Form
from provisioner.runtimes.engine_run import CommandLine
from provisioner.runtimes.locate import Locate
from provisioner.runtimes.settings import Settings
from provisioner.runtimes.users_files import Compose, Pod, Project
from provisioner.runtimes.version import Version

MACHINE = "machine"  # the runtime with machines of lab.yaml as its sandboxes; it creates none
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")

Argv = list[str]
# patterns instead of Literals: other rooms handle these names as plain text
LimitName = Annotated[str, Field(pattern=f"^({'|'.join(limit_names())})$")]
NetworkMode = Annotated[str, Field(pattern="^(none|private|host|other)$")]
# conditions of expected.yaml that a name decides; all others are observed
ConditionName = Annotated[str, Field(pattern="^(variant|option)$")]
# a device as facts.platform.BusDevice.id; "cpu:" is a processor feature that lets a guest run guests
DeviceId = Annotated[
    str,
    Field(pattern="^((pci|usb):[0-9a-f]{4}:[0-9a-f]{4}|virtio:[0-9]{1,3}|acpi:[A-Z][A-Z0-9]{6,7}|cpu:(vmx|svm))$"),
]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class State(_Strict):
    """
    How to learn the pid of a sandbox.

    Attributes:
        argv: a command that prints JSON.
        pid: a JSON pointer into it (RFC 6901): "json:/0/State/Pid", or "json:" if it is only the number.
    """

    argv: Argv
    pid: str = Field(pattern=r"^json:(/|$)")


class Listing(_Strict):
    """
    How to list the sandboxes of a run.

    Attributes:
        argv: a command that prints a name on each line, or JSON that contains the names.
    """

    argv: Argv


class Symptom(_Strict):
    """
    A known error message of a runtime that cannot start, and what to tell the user.

    Attributes:
        match: a pattern that is searched in the runtime's error stream.
        cause: the cause in plain words; it may quote groups of `match` as \\1.
        mend: what the user can do.
        instead: an option of this runtime that is tried instead if the user did not name the runtime.
    """

    match: str
    cause: str
    mend: str
    instead: str | None = None


class LimitMap(_Strict):
    """
    How a runtime is asked for one limit.

    Attributes:
        flags: arguments for `create`; templates may name the limit's values (provisioner/limits/kinds/).
        config: dotted keys of the runtime's config, with templates.
        cgroup: whether a cgroup is made by hand.
        step: the smallest amount that the runtime can tell apart: 1 for whole virtual CPUs.
    """

    flags: Argv = []
    config: dict[str, str] = {}
    cgroup: bool = False
    step: float | None = None


class VolumeMap(_Strict):
    """
    How a folder of the host is shared with a sandbox.

    Attributes:
        flags: arguments for `create`.
        config: dotted keys of the runtime's config, with templates.
    """

    flags: Argv = []
    config: dict[str, str] = {}


class NetworkMap(_Strict):
    """
    How a runtime is asked for one network mode.

    Attributes:
        flags: arguments for `create`.
        make: a command that is run once before the first sandbox of the mode: it makes the network.
        delete: a command that deletes what the network leaves on the host; its daemon or namespace is gone by itself.
    """

    flags: Argv = []
    make: Argv = []
    delete: Argv = []


class Config(_Strict):
    """
    A config file in the sandbox's folder.

    Attributes:
        file: its name.
        argv: the command that writes the runtime's default config.
        set: dotted keys and templates that replace values in it; a template that is one expression keeps its type.
    """

    file: str
    argv: Argv
    set: dict[str, str]


class DaemonMap(_Strict):
    """
    How `provisioner daemon` starts the runtime's daemon, with a data root and a network namespace of its own.

    Attributes:
        binary: the daemon's program.
        argv: its arguments.
        files: files that are written into its folder before it starts: name and content.
        ready: a command that succeeds when the daemon answers.
        env: variables by which the runtime's client finds this daemon.
        timeout: how long it may take until it is ready, in seconds.
        cgroups: names of top-level cgroups that it makes and does not delete.
    """

    binary: str
    argv: Argv
    files: dict[str, str] = {}
    ready: Argv
    env: dict[str, str] = {}
    timeout: float = 60.0
    cgroups: list[str] = []


class Verified(_Strict):
    """
    A system on which this data was tested.

    Attributes:
        where: the distribution.
        version: the runtime's version.
        cgroup: the cgroup mode of the host.
        on: the date, as "2026-11-24".
    """

    where: str
    version: str
    cgroup: Literal["v1", "v2", "hybrid", "any"]
    on: str


class Runtime(_Strict):
    """
    One runtime.

    Attributes:
        name: the role folder's name.
        title: the name in words.
        kind: what its sandboxes are.
        class_: container, emulation, paravirtualisation or hardware-assisted.
        boundary: what the process seen from the host is: "process" (the subject), "sentry" (a kernel in a process, as
            gVisor's: its pid is that of `state`), "vmm", or "none" for a runtime that claims no wall.
        binary: the program that must be on PATH; None: no program.
        needs: further programs that must be on PATH.
        root: whether it needs root.
        image: what is made for it: "archive" (docker-archive tar), "rootfs" (folder), "initramfs", "none".
        own_archive: a user's image archive that is imported in the place of an image of ours, "" for none.
        define: named argument lists that the other templates may use.
        environment: variables for `create`.
        remember: variables that select the client's daemon.  The journal keeps them for a later clean-up.
        import_: the command that imports an image archive.
        forget: the command that deletes an imported image.
        prepare: the config file that the runtime reads.
        create: the command that creates a sandbox.  It stays attached: its standard streams are the probe's.
        untouched: of a user's command line, the command that creates what it would start, without the probe.
        untouched_name: the name of what it creates.
        project: of a compose file, the networks and volumes that its sandboxes share.
        files: files for the sandbox's folder, written first; users_files.py has the marks.
        before: commands that are run before `create`.
        folder: where `create` runs, "" for the sandbox's own folder.
        declares: the form in which the answer of `state` tells what a sandbox was to be: "inspect" (docker
            inspect, podman inspect), "oci" (the config.json of the bundle that it names); None if it does not tell.
        read_bundle: the command that prints a config.json which this user may not read; its path is added.
        command_line: how a user's own `run` of this engine is taken over; None if it cannot be.
        compose: how a service of a compose file is started by this engine; None if it cannot be.
        pod: how a container of a Kubernetes pod is started by this engine; None if it cannot be.
        exec: the runtime's own exec.
        state: how to learn the sandbox's pid.
        attach: how to look at sandboxes that this run did not make; None if that is unknown.
        helper: the command that starts the probe in the namespaces of the daemon's host; None if there is none.
        locate: how to learn where its daemon is; None if its commands make the sandboxes themselves, on this machine.
        settings: the engine's settings, which apply to each of its sandboxes; None if it has none.
        delete: the command that deletes a sandbox.
        list_: how to list the run's sandboxes.
        limits: how each limit is asked for; a limit that is not here cannot be set.
        network: how each network mode is asked for; "other" is a second network like "private".
        networked: changes of these keys in the network of a test, as with `options`; None if it is not tried there.
        publish: arguments for `create` that publish a port at an address of the host; None if it publishes none.
        volume: how a folder of the host is shared with a sandbox; None if it cannot be.
        capabilities: its documented default bounding set (capabilities(7) names without CAP_); None: not documented.
        devices: the devices of its VMs, by their ids in the guest, with a description; None: not declared.
        version: how to learn its version.
        symptoms: known error messages.
        daemon: how to start its daemon, which `version` then asks.
        cannot: what cannot be asked of it ("exec", "limits.pids"), with the reason that a skip shows.
        conditions: values that `when` of expected.yaml is compared with.
        own_cgroups: whether it makes cgroups below the one that it is started in, which then must be the sandbox's.
        install: the command that installs it.
        options: changes of these keys by option: "docker+crun".
        variants: changes of these keys by variant: "podman-rootless".
        verified: systems on which this data was tested.
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
    own_archive: str = ""
    define: dict[str, Argv] = {}
    environment: dict[str, str] = {}
    remember: list[str] = []
    import_: Argv | None = Field(default=None, alias="import")
    forget: Argv | None = None
    prepare: Config | None = None
    create: Argv
    untouched: Argv | None = None
    untouched_name: str = "{{ name }}-untouched"
    project: Project | None = None
    files: dict[str, str] = {}
    before: list[Argv] = []
    folder: str = ""
    command_line: CommandLine | None = None
    compose: Compose | None = None
    pod: Pod | None = None
    exec: Argv | None = None
    state: State | None = None
    declares: Form | None = None
    read_bundle: list[str] = []
    attach: Attach | None = None
    helper: Argv | None = None
    locate: Locate | None = None
    settings: Settings | None = None
    delete: Argv | None = None
    list_: Listing | None = Field(default=None, alias="list")
    limits: dict[LimitName, LimitMap] = {}
    network: dict[NetworkMode, NetworkMap]
    networked: dict[str, Any] | None = None
    publish: Argv | None = None
    volume: VolumeMap | None = None
    capabilities: list[str] | Literal["all"] | None = None
    devices: dict[DeviceId, str] | None = None
    version: Version | None = None
    symptoms: list[Symptom] = []
    daemon: DaemonMap | None = None
    cannot: dict[str, str] = {}
    conditions: dict[ConditionName, str] = {}
    own_cgroups: bool = False
    install: str
    options: dict[str, dict[str, Any]] = {}
    variants: dict[str, dict[str, Any]] = {}
    verified: list[Verified] = []

    @property
    def programs(self) -> frozenset[str]:
        """The names of the programs that create and delete its sandboxes and images."""
        first = [argv[0] for argv in (self.delete, self.forget) if argv and "{{" not in argv[0]]
        return frozenset(filter(None, [self.binary, *self.needs, *first]))


def symptom_in(runtime: Runtime, errors: str) -> Symptom | None:
    """Return the first known symptom in a runtime's error output, with its cause filled in; None if there is none."""
    for symptom in runtime.symptoms:
        if match := re.search(symptom.match, errors, re.MULTILINE):
            return symptom.model_copy(update={"cause": match.expand(symptom.cause)})
    return None
