"""Asks a runtime what a sandbox was to be, and the sandbox what it shows of that.

In: the runtime's answer about the sandbox's state, and a way to ask the probe inside.
Out: `Declared`.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from provisioner.connection.local import Connection
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.hosts.files_local import HostFiles
from provisioner.observed import first_fault, unobserved
from provisioner.probe.request import Reply
from provisioner.runtimes.declared import READERS, Declared, Existing, Form, Shown
from provisioner.runtimes.runtime import Runtime

Ask = Callable[..., Reply]  # sends a request to the probe inside


def read_declaration(runtime: Runtime, answer: bytes, files: HostFiles) -> Declared | None:
    """
    Return what the sandbox was to be, without what it shows of it; None if its runtime does not tell.

    Args:
        runtime: the runtime.
        answer: what its command for the state of the sandbox printed.
        files: the files of the host that it is on.

    Raises:
        IsolationError: the answer, or the config.json that it names, cannot be read.
    """
    if runtime.declares is None:
        return None
    capabilities = runtime.capabilities if isinstance(runtime.capabilities, list) else None
    try:
        document = json.loads(answer)
        if isinstance(document, list):
            document = document[0]
        form: Form = runtime.declares
        if form == "oci":  # OCI runtime-spec, runtime.md, "State"
            document = json.loads(files.read(Path(document["bundle"], "config.json")))
        elif path := document.get("OCIConfigPath"):  # podman's inspect leaves out sysctls, masks and the filter
            form, document = "oci", json.loads(_bundle(runtime, Path(path), files))
        return READERS[form](document, capabilities)
    except ValidationError as error:
        why = first_fault(error)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
    raise IsolationError(f"cannot read what '{runtime.name}' tells of the sandbox: {why[:200]}")


def _bundle(runtime: Runtime, path: Path, files: HostFiles) -> bytes:
    """Return a config.json that may belong to an id of the user namespace, as that of --userns=keep-id does."""
    try:
        return files.read(path)
    except IsolationError:
        if not runtime.read_bundle:
            raise
    done = files.connection.run([*runtime.read_bundle, str(path)], deadline("command"))
    if done.status != 0:
        raise IsolationError(f"cannot read '{path}': {done.last_words}")
    return done.stdout


def with_shown(declared: Declared, ask: Ask) -> Declared:
    """
    Return the declaration with what a process inside sees of it.

    Args:
        declared: what the sandbox was to be.
        ask: sends a request to the probe inside.
    """
    shown = {name: _sysctl(ask, name) for name in declared.sysctls}
    exists = {path: _exists(ask, path) for path in (*declared.masked, *declared.readonly)}
    return declared.model_copy(update={"shown": Shown(shown), "exists": Existing(exists)})


def ask_from_outside(connection: Connection, pid: int, verb: str, path: str) -> Reply:
    """
    Answer what the probe inside would, for a sandbox in which nothing is started.

    A sysctl is that of the reader's namespaces: cat(1) of the host reads it in those of the sandbox.

    Args:
        connection: runs commands on the host of the sandbox, which must be this machine.
        pid: the sandbox's first process.
        verb: "read" for a sysctl, "exists" for any path.
        path: the path inside.
    """
    if verb == "read":
        argv = ["nsenter", "--target", str(pid), "--net", "--ipc", "--uts", "--", "cat", "--", path]
        done = connection.run(argv, deadline("command"))
        return Reply(f"exit {done.status}", done.stdout, done.stderr)
    try:
        for part in (*reversed(PurePosixPath(path).parents), PurePosixPath(path)):
            if stat.S_ISLNK(os.lstat(f"/proc/{pid}/root{part}").st_mode):  # it would lead through the host's root
                return Reply("exit 71", b"", f"{part} is a link".encode())
    except (FileNotFoundError, NotADirectoryError):
        return Reply("exit 0", b"no", b"")
    except OSError as error:
        return Reply("exit 71", b"", f"cannot look at {path}: {error.strerror}".encode())
    return Reply("exit 0", b"yes", b"")


def _sysctl(ask: Ask, name: str) -> str:
    """Return a sysctl's value; a dot stands for a slash, and in "net.ipv4.conf.eth0/1" a slash for a dot."""
    path = name.translate(str.maketrans("./", "/."))
    reply = ask("read", f"/proc/sys/{path}")
    value: str = unobserved(_why(reply))
    return " ".join(reply.data.decode("utf-8", "replace").split())[:4096] if reply.ok else value


def _exists(ask: Ask, path: str) -> bool:
    reply = ask("exists", path)
    nobody: bool = unobserved(_why(reply))
    return reply.data == b"yes" if reply.ok else nobody


def _why(reply: Reply) -> str:
    return reply.log.decode("utf-8", "replace").strip() or reply.ended
