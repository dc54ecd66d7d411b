"""Runs commands in a network namespace of ours, as if it were the host's.

In: the path of a namespace.  Out: files and a connection, with which a `Host` and its sandboxes live in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from provisioner.connection.local import Check, Completed, LocalConnection, Stream
from provisioner.hosts.files_local import LocalFiles


class NetnsConnection(LocalConnection):
    """
    Commands on this machine, in a network namespace of ours (nsenter(1)).

    Args:
        path: the namespace.
        env: variables for each command, by which clients find the daemon that runs there.
    """

    def __init__(self, path: Path, env: Mapping[str, str] | None = None) -> None:
        self._enter = ["nsenter", f"--net={path}", "--"]
        self._env = dict(env or {})

    def run(
        self,
        argv: Sequence[str],
        timeout: float,
        env: Mapping[str, str] | None = None,
        inside: bool = False,
        check: Check | None = None,
    ) -> Completed:
        return super().run([*self._enter, *argv], timeout, {**self._env, **(env or {})}, inside, check)

    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: str | None = None) -> Stream:
        return super().start([*self._enter, *argv], {**self._env, **(env or {})}, cwd)


def netns_files(connection: NetnsConnection) -> LocalFiles:
    """Return the files of this machine, with commands that run in a network namespace of ours."""
    files = LocalFiles()
    files.connection = connection
    return files
