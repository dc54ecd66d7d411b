"""Checks with testinfra that the promises of roles hold on a machine.  Changes nothing.

In: a connection and roles.  Out: one `Checked` for each promise.  testinfra is part of the extra [lab]: import this
module only when it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from shlex import join
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from provisioner.connection.local import Connection, last_line
from provisioner.converge.role import DETAILS, Promise, Role
from provisioner.deadlines import deadline
from provisioner.progress import step

# as in converge/script.py: root, or a user with sudo and no password
SHELL = 'if [ "$(id -u)" = 0 ]; then exec sh -c "$1"; else exec sudo -n sh -c "$1"; fi'


@dataclass(frozen=True)
class Checked:
    """A promise of a role, and the reason why it does not hold; empty if it holds."""

    role: str
    promise: str
    why: str = ""

    @property
    def holds(self) -> bool:
        """Whether the promise holds."""
        return not self.why


class ConnectionBackend(BaseBackend):  # type: ignore[misc]  # testinfra comes without types
    """A testinfra backend that runs commands over a `Connection`."""

    NAME = "isolation-connection"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.name)
        self._connection = connection

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        line = self.get_command(command, *args)
        done = self._connection.run(["sh", "-c", SHELL, "sh", line], deadline("converge.read"))
        return self.result(done.status, self.encode(line), done.stdout, done.stderr)


def verify_roles(connection: Connection, roles: Sequence[Role]) -> list[Checked]:
    """Check every promise of the roles; raises IsolationError if the machine does not answer."""
    host = Host(ConnectionBackend(connection))
    with step(f"verify {', '.join(role.name for role in roles)} on {connection.name}"):
        return [
            Checked(role.name, describe_promise(promise), check_promise(host, promise))
            for role in roles
            for promise in role.verify
        ]


def describe_promise(promise: Promise) -> str:
    """Return a promise as one line: "service docker: running"."""
    subject = next(name for name in DETAILS if getattr(promise, name) is not None)
    given = getattr(promise, subject)
    details = [
        f"{name} {getattr(promise, name)}" if not isinstance(getattr(promise, name), bool) else _said(promise, name)
        for name in sorted(DETAILS[subject])
        if getattr(promise, name) is not None
    ]
    name = join(given) if isinstance(given, list) else given
    return f"{subject} {name}" + (f": {', '.join(details)}" if details else "")


def _said(promise: Promise, name: str) -> str:
    return name if getattr(promise, name) else f"not {name}"


def check_promise(host: Any, promise: Promise) -> str:
    """Return the reason why a promise does not hold, "" if it holds."""
    subject = next(name for name in DETAILS if getattr(promise, name) is not None)
    return CHECKS[subject](host, promise)


def _package(host: Any, promise: Promise) -> str:
    return "" if host.package(promise.package).is_installed else "it is not installed"


def _service(host: Any, promise: Promise) -> str:
    service = host.service(promise.service)
    for name in ("running", "enabled"):
        wanted = getattr(promise, name)
        if wanted is not None and getattr(service, f"is_{name}") != wanted:
            return f"it is {'not ' if wanted else ''}{name}"
    return ""


def _file(host: Any, promise: Promise) -> str:
    file = host.file(promise.file)
    if not file.exists:
        return "it does not exist"
    if promise.mode is not None and file.mode != int(promise.mode, 8):
        return f"its mode is {file.mode:04o}"
    if promise.owner is not None and file.user != promise.owner:
        return f"its owner is {file.user}"
    if promise.contains is not None and not re.search(promise.contains, file.content_string):
        return f"its content does not match '{promise.contains}'"
    return ""


def _sysctl(host: Any, promise: Promise) -> str:
    found = host.file(f"/proc/sys/{promise.sysctl.replace('.', '/') if promise.sysctl else ''}").content_string.strip()
    return "" if promise.value is None or found == str(promise.value) else f"it is {found}"


def _command(host: Any, promise: Promise) -> str:
    done = host.run(join(promise.command or []))
    wanted = promise.status or 0
    if done.rc != wanted:
        return f"exit status {done.rc}: {last_line(done.stderr_bytes) or last_line(done.stdout_bytes)}"
    if promise.contains is not None and not re.search(promise.contains, done.stdout):
        return f"its output does not match '{promise.contains}'"
    return ""


CHECKS: dict[str, Callable[[Any, Promise], str]] = {
    "package": _package,
    "service": _service,
    "file": _file,
    "sysctl": _sysctl,
    "command": _command,
}
