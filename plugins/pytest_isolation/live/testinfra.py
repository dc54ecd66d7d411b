"""testinfra's commands in a target's sandbox: the backend `isolation://TARGET`.

In: a host specification.
Out: results of commands.  register() makes the backend the default of `--hosts`, so that existing testinfra tests run
once on each target.  testinfra resolves hosts while it collects, so a sandbox is created on the first command.
testinfra is part of the extra [lab].
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
import testinfra.backend
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from provisioner.errors import IsolationError
from pytest_isolation.live.molecule import set_variables

if TYPE_CHECKING:
    from provisioner.probe.request import Reply
    from pytest_isolation.observe.sandboxes import SandboxCache
    from pytest_isolation.targets.target import Target

NAME = "isolation"
BOUND = 4 << 20  # bytes of a command's output
SECONDS = 300.0  # enough to install a package
LACKING = re.compile(r"(\S+): (?:command )?not found\s*$")  # sh(1) of BusyBox, dash and bash
BUSYBOX_USAGE = re.compile(r"^(\S+): (?:unrecognized|invalid) option.*\n(?:BusyBox v)?", re.MULTILINE)
OPTIONAL = ("lsb_release", "sw_vers")  # testinfra does without it: modules/systeminfo.py
MEND = "run with --isolation-userland=debian"


class IsolationBackend(BaseBackend):  # type: ignore[misc]  # testinfra comes without types
    """
    A target of this session.

    Args:
        hostname: "docker"; "docker@debian12" for a runtime on a machine, since a slash would end the host of the URL.

    Raises:
        pytest.UsageError: the session has no such target.
    """

    NAME = NAME
    targets: Mapping[str, Target] = {}
    sandboxes: SandboxCache | None = None

    def __init__(self, hostname: str, *args: Any, **kwargs: Any) -> None:
        name = target_of(hostname)
        if name not in self.targets:
            known = ", ".join(self.targets) or "none"
            raise pytest.UsageError(f"{NAME}://{hostname}: no such target; there are: {known}")
        self.target = self.targets[name]
        super().__init__(name, sudo=kwargs.get("sudo", False), sudo_user=kwargs.get("sudo_user"))

    @property
    def encoding(self) -> str:
        """The encoding of our shells and machines; testinfra would start a Python to find out."""
        return "utf-8"

    def get_pytest_id(self) -> str:
        return self.target.id

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """
        Run a shell command line in the target's sandbox.

        Args:
            command: the command line, with %s for each of `args`.
            args: values that are quoted and put in.

        Raises:
            IsolationError: the sandbox does not answer.
        """
        assert self.sandboxes is not None  # set with `targets`, which __init__ has looked into
        line = self.get_command(command, *args)
        shell = self.sandboxes.shell(self.target)
        reply = shell.request("run", "/bin/sh", "-c", line, bound=BOUND, seconds=SECONDS)
        if self.target.runtime.image != "none":
            self._require_program(reply)
        return self.result(exit_status(reply.ended), self.encode(line), reply.data, reply.log)

    def _require_program(self, reply: Reply) -> None:
        """Raise IsolationError for a program that our image lacks: its status is no answer about the sandbox."""
        assert self.sandboxes is not None
        log = reply.log.decode("utf-8", "replace")
        lacking = LACKING.search(log) if reply.ended == "exit 127" else None
        unknown = BUSYBOX_USAGE.search(log) if reply.ended != "exit 0" else None
        if (lacking is None and unknown is None) or (lacking and lacking[1] in OPTIONAL):
            return
        image = "Debian's image" if self.sandboxes.userland == "debian" else "BusyBox"
        what = f"it has no '{lacking[1]}'" if lacking else f"its {unknown[1] if unknown else ''} has no such option"
        mend = "sandbox_factory(image=…) with an image that has it" if image != "BusyBox" else MEND
        raise IsolationError(f"cannot ask {image} in '{self.target.id}': {what}", mend)


def target_of(hostname: str) -> str:
    """Return the id of the target that a host specification names: "debian12/docker" for "docker@debian12"."""
    name = unquote(hostname)
    runtime, at, machine = name.partition("@")
    return f"{machine}/{runtime}" if at else name


def exit_status(ended: str) -> int:
    """Return the exit status that a shell would show: 3 for "exit 3", 137 for "signal 9", 255 for anything else."""
    found = re.fullmatch(r"(exit|signal) (\d+)", ended)
    if found is None:
        return 255
    return int(found[2]) + (128 if found[1] == "signal" else 0)


def hosts_of(targets: Iterable[str]) -> str:
    """Return the value of --hosts that names these targets; attached ones are left out, since nothing runs in them."""
    named = [name.partition("/") for name in targets if ":" not in name]
    return ",".join(
        f"{NAME}://{runtime}@{machine}" if slash else f"{NAME}://{machine}" for machine, slash, runtime in named
    )


def register(targets: Mapping[str, Target], sandboxes: SandboxCache, config: pytest.Config) -> None:
    """
    Register the backend with testinfra, make it the default of --hosts, and set molecule's variables.

    Args:
        targets: the session's targets by id.
        sandboxes: the session's sandboxes.
        config: pytest's config; its option `hosts` is set unless the user gave it.
    """
    set_variables(config, targets)
    option = config.option
    testinfra.backend.BACKENDS[NAME] = f"{__name__}.{IsolationBackend.__name__}"
    IsolationBackend.targets, IsolationBackend.sandboxes = targets, sandboxes
    given = option.hosts
    if given is None:
        option.hosts = hosts_of(targets)
    else:
        option.hosts = re.sub(rf"{NAME}://([^/,@]+)/([^/,@]+)", rf"{NAME}://\2@\1", given)


def testinfra_host(target: str) -> Any:
    """Return testinfra's host object for a target of this session."""
    return Host(IsolationBackend(target))
