"""The plugin's options and ini keys: what they are, and what a user asked for by them.

In: pytest's parser.
Out: `RunOptions`, which session/read_options.py fills.  Imports nothing heavy: it is loaded in every pytest run.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

KINDS = ("container", "vm")
USERLANDS = ("busybox", "debian")
LOCAL = "local"
KIND_OPTION = "--isolation"  # all other options of ours begin with it, too
# they name single columns: no --isolation needed
NAMING = ("isolation_attach", "isolation_run", "isolation_image", "isolation_compose", "isolation_pod")
MARKERS = (
    "isolation(id, *, severity, profile, refs, gains, remedy, shows, reproduce, kinds, kinds_reason): this test is "
    "a check: it tests one named part of the wall between a sandbox and its host",
    "isolation_documented(id): where the runtime documents that this bundled check's wall is open, it documents it for "
    "this test, too",
    "isolation_active: this test acts on the sandbox (load, reach) instead of reading facts",
    "isolation_destructive: this test changes the sandbox or its machine; afterwards the sandbox is created again, "
    "and the machine is restored from its snapshot",
)


@dataclass(frozen=True)
class RunOptions:
    """
    What the user asked for.

    Attributes:
        kinds: "container", "vm" or both, in the order given.
        runtimes: the runtimes that were named; empty for all that are installed.
        required: runtimes, kinds or targets without which the run is a usage error.
        profile: the profile that must hold, as "baseline@1"; "" for none.
        report: the folder for facts/, results.json and index.html, or None.
        max_skip: the most cells that may be skipped, or None for any number.
        suite: whether the bundled suite is run beside the paths given.
        kernel: the kernel that micro VMs boot, or None for the distribution's.
        waivers: isolation.yaml with targets and waivers, or None.
        pyproject: the pyproject.toml that may have a table [tool.pytest-isolation], or None.
        scale: the factor of every deadline.
        sources: where each setting came from that is not the default: name, source.
        hosts: where container runtimes run: "local" or machines of lab.yaml, in the order given.
        machines: the machines of lab.yaml that are sandboxes themselves.
        lab: the lab.yaml, or None for the nearest.
        attach: running sandboxes to attach to, as "docker:NAME".
        commands: command lines that start a sandbox, as "docker run me/app" or "web=docker run me/app".
        images: images that each engine starts, as "me/app:1.4" or "web=app.tar".
        composes: compose files, each service of which is a column.
        services: the services of these files that are columns; empty for all.
        pods: files of Kubernetes pods, each container of which is a column.
        only_named: whether nothing but attached sandboxes and command lines was asked for.
        helper: whether helpers may look at the hosts of engines that are elsewhere.
        network: whether the networks of container runtimes are tried in a world of their own.
        expected: the file of the documented exceptions of own checks, or None.
        targets: the names of isolation.yaml's targets that are columns instead of the installed container runtimes.
        checks: ids or globs of the checks that are run; empty for all.
        userland: the programs of the sandboxes that testinfra asks: "busybox" or "debian".
        roles: folders of own roles, the first that has a role decides.
    """

    kinds: tuple[str, ...]
    runtimes: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    profile: str = ""
    report: Path | None = None
    max_skip: int | None = None
    suite: bool = False
    kernel: Path | None = None
    waivers: Path | None = None
    scale: float = 1.0
    sources: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = (LOCAL,)
    machines: tuple[str, ...] = ()
    lab: Path | None = None
    attach: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    composes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    only_named: bool = False
    expected: Path | None = None
    helper: bool = False
    network: bool = False
    pyproject: Path | None = None
    targets: tuple[str, ...] = ()
    userland: str = "busybox"
    checks: tuple[str, ...] = ()
    roles: tuple[Path, ...] = ()

    @property
    def needs_lab(self) -> bool:
        """Whether a machine of lab.yaml was named."""
        return bool(self.machines) or self.hosts != (LOCAL,)


def is_asked(given: argparse.Namespace) -> bool:
    """Whether a command line asks for a run of ours."""
    return given.isolation is not None or any(getattr(given, name) for name in NAMING)


def refuse_without_kind(args: Iterable[object]) -> None:
    """Refuse options of ours on a command line without `--isolation`: they would be ignored, and the run be green."""
    words = [str(word) for word in args]
    ours = next((word for word in words if word.startswith(f"{KIND_OPTION}-")), None)
    if ours is not None:
        option = ours.partition("=")[0]
        raise pytest.UsageError(f"{option} needs --isolation: pytest --isolation=container {shlex.join(words)}")


def add_options(parser: pytest.Parser) -> None:
    """Register the options and ini keys; all their names start with `isolation`."""
    group = parser.getgroup("isolation", "isolation: test the boundary of containers and virtual machines")
    add = group.addoption
    add(
        "--isolation", metavar="KINDS", help="run the tests in sandboxes of these kinds: container, vm, or container,vm"
    )
    add(
        "--isolation-runtime",
        metavar="NAMES",
        help="use only these runtimes, such as docker,podman+runc,qemu,self; default: all that are installed",
    )
    add(
        "--isolation-host",
        metavar="NAMES",
        default=LOCAL,
        help="run container runtimes on these hosts: local, or machines of lab.yaml (extra: lab); default: local",
    )
    add(
        "--isolation-network",
        action="store_true",
        help="try who reaches whom: start each container runtime of this machine, with a daemon of its own, in a "
        "network of ours with a host, another machine and sandboxes (as root; some seconds for each)",
    )
    add(
        "--isolation-helper",
        action="store_true",
        help="where docker's daemon is on another machine, look at that machine by a privileged container with all its "
        "namespaces: it is root there",
    )
    add(
        "--isolation-machine",
        metavar="NAMES",
        default="",
        help="use these machines of lab.yaml as sandboxes of the kind vm (extra: lab)",
    )
    add(
        "--isolation-lab",
        metavar="FILE",
        help="read this lab.yaml; default: the nearest in this folder or above, else the packaged one",
    )
    add(
        "--isolation-attach",
        metavar="RUNTIME:NAME",
        action="append",
        default=[],
        help="observe a running sandbox and leave it as it is: docker:NAME, podman:NAME, runc:NAME, lxc:NAME, pid:N; "
        "docker: without a name stands for all that run; may be repeated; without --isolation, only attached sandboxes "
        "are observed",
    )
    add(
        "--isolation-run",
        metavar="[NAME=]COMMAND",
        action="append",
        default=[],
        help="start the sandbox by this command line, with the probe in your program's place: 'docker run me/app:1.4', "
        "'bwrap --unshare-all --ro-bind / / -- {probe}'; or NAME, a target of isolation.yaml; may be repeated; without "
        "--isolation, only these and attached sandboxes are tested",
    )
    add(
        "--isolation-image",
        metavar="[NAME=]IMAGE",
        action="append",
        default=[],
        help="start this image by every engine here that has it, as its plain 'run' would: me/app:1.4, or app.tar, an "
        "archive that 'docker save' wrote; a column for each engine; may be repeated",
    )
    add(
        "--isolation-compose",
        metavar="FILE",
        action="append",
        default=[],
        help="start the services of this compose file as it declares them, each with the probe in its program's place "
        "and as a column of its own; needs docker compose or docker-compose; may be repeated",
    )
    add(
        "--isolation-service",
        metavar="NAMES",
        default="",
        help="of the compose file, only these services",
    )
    add(
        "--isolation-pod",
        metavar="FILE",
        action="append",
        default=[],
        help="start the containers of this Kubernetes pod as 'podman kube play' does, each with the probe in its "
        "program's place and as a column of its own; may be repeated",
    )
    add(
        "--isolation-require",
        metavar="NAMES",
        default="",
        help="fail with a usage error if one of these runtimes, kinds or targets is missing; by default it is skipped",
    )
    add(
        "--isolation-profile",
        metavar="NAME@N",
        help="require the walls of this profile: privileged@1, baseline@1, restricted@1",
    )
    add("--isolation-report", metavar="DIR", help="write facts/, results.json and index.html to this folder")
    add(
        "--isolation-max-skip",
        metavar="N",
        type=int,
        help="fail if more than N checks were skipped, counted on each target",
    )
    add("--isolation-suite", action="store_true", help="also run the bundled suite when test files are named")
    add("--isolation-kernel", metavar="FILE", help="boot this kernel in micro VMs; default: the distribution's")
    add(
        "--isolation-expected",
        metavar="FILE",
        help="read the documented exceptions of own checks here; default: ROOTDIR/isolation-expected.yaml",
    )
    add(
        "--isolation-waivers",
        metavar="FILE",
        help="read the targets and the waivers (accepted findings) here; default: ROOTDIR/isolation.yaml",
    )
    add(
        "--isolation-check",
        metavar="IDS",
        default="",
        help="run only these checks, such as lim.memory or 'ns.*,cap.*'",
    )
    add(
        "--isolation-userland",
        metavar="NAME",
        help="give testinfra's sandboxes these programs: busybox (default), or debian (python3, ps, getent, dpkg, "
        "ip, ping), which is built once",
    )
    parser.addini("isolation_userland", "default of --isolation-userland", default="")
    add(
        "--isolation-roles",
        metavar="DIR",
        action="append",
        default=[],
        help="find roles here before the packaged ones: DIR/NAME/runtime.yaml; may be repeated; default: the folder "
        "roles beside isolation.yaml or lab.yaml",
    )
    add(
        "--isolation-check-runtime",
        metavar="NAME",
        help="test nothing but whether the role of this runtime describes it rightly, such as that of your own",
    )
    parser.addini("isolation_profile", "default of --isolation-profile", default="")
    parser.addini("isolation_runtime", "default of --isolation-runtime", default="")
    parser.addini("isolation_expected", "default of --isolation-expected", default="")
    parser.addini("isolation_waivers", "default of --isolation-waivers", default="")
    parser.addini("isolation_timeout_scale", "factor of every deadline, for slow machines; default: 1", default="1")
