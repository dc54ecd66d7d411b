"""Compares what an engine makes of a user's untouched command line with the sandbox that the probe runs in.

In: a Sandbox that a user's command line started.
Out: the differences, in words.  The untouched container is created and never started; it is deleted again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.runtimes.engine_run import Comparison
from provisioner.runtimes.users_own import PROBE_PATH
from provisioner.sandboxes.sandbox import Sandbox

MOST = 3  # differences that an error names
HEX = re.compile(r"\b[0-9a-f]{64}\b")
AT_START = re.compile(r"(HOSTNAME|HOME|TERM)=.*", re.DOTALL)  # podman adds them to the environment at the start


def refuse_changed(sandbox: Sandbox) -> None:
    """
    Raise IsolationError if the engine would make another container of the user's command line without the probe.

    Args:
        sandbox: a sandbox that the command line started.
    """
    how = sandbox.runtime.command_line
    if how is None or sandbox.runtime.untouched is None:
        return
    found = differences(*_ask_both(sandbox, sandbox.runtime.untouched), how.untouched)
    if found:
        more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
        raise IsolationError(
            f"cannot start '{sandbox.runtime.name}': with the probe it makes another container of the command line: "
            f"{'; '.join(found[:MOST])}{more}",
            "write {probe} where your program stands, or report it with this line",
        )


def _ask_both(sandbox: Sandbox, untouched: list[str]) -> tuple[bytes, bytes]:
    """Return the engine's answers about the untouched container and about the sandbox."""
    runtime, host = sandbox.runtime, sandbox.host
    (name,) = sandbox.render([runtime.untouched_name])
    assert runtime.state is not None
    delete = sandbox.render(runtime.delete or [], name=name)
    entry = host.files.made_command(host.run, delete, host.remembered(runtime))
    try:
        _ask(sandbox, sandbox.render(untouched))
        return (
            _ask(sandbox, sandbox.render(runtime.state.argv, name=name)),
            _ask(sandbox, sandbox.render(runtime.state.argv)),
        )
    finally:
        if sandbox.engine.delete(delete).status >= 0:
            host.run.gone(entry)


def _ask(sandbox: Sandbox, argv: list[str]) -> bytes:
    done = sandbox.engine.run(argv, deadline("command"))
    if done.status != 0:
        raise IsolationError(f"cannot run '{' '.join(argv)[:80]}': {done.last_words}")
    return done.stdout


def differences(wanted: bytes, made: bytes, how: Comparison) -> list[str]:
    """
    Return how two containers differ beyond what the probe needs: "HostConfig.Memory is 0, not 64".

    Args:
        wanted: the engine's JSON about the untouched container.
        made: the same about the one with the probe.
        how: what of it is compared.

    Raises:
        IsolationError: one of them is no such JSON.
    """
    first, second = _read(wanted, how.look), _read(made, how.look)
    paths = [path for path in sorted({*first, *second}) if not _is_apart(path, how.apart)]
    return [
        f"{path} is {_short(second.get(path))}, not {_short(first.get(path))}"
        for path in paths
        if first.get(path) != second.get(path)
    ]


def _read(answer: bytes, look: Sequence[str]) -> dict[str, object]:
    try:
        document = json.loads(answer)
        container = document[0] if isinstance(document, list) else document
        own = str(container["Id"])
        parts = {key: container[key] for key in look if key in container}
    except (ValueError, LookupError, TypeError):
        raise IsolationError("cannot read the engine's answer about a container") from None
    return dict(_flat(parts, "", own))


def _flat(value: Any, path: str, own: str) -> Iterator[tuple[str, object]]:
    """Yield each value by its path; nothing, zero and empty are the same; the container's own ids count as equal."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key), own)
        return
    if isinstance(value, list):
        texts = [
            item if isinstance(item, str) else json.dumps(item, sort_keys=True)
            for item in value
            if not _is_probes(item)
        ]
        value = sorted(_named(text, own) for text in texts if not AT_START.fullmatch(text))
    elif isinstance(value, str):
        value = _named(value, own)
    if value:
        yield path, value


def _named(text: str, own: str) -> str:
    return HEX.sub("ID", text.replace(own, "ID").replace(own[:12], "ID"))


def _is_probes(item: object) -> bool:
    """Whether an entry of a list of mounts is the probe's, or what the user has at its place."""
    if isinstance(item, Mapping):
        return PROBE_PATH in (item.get("Target"), item.get("Destination"))
    return isinstance(item, str) and item.split(":")[1:2] == [PROBE_PATH]


def _is_apart(path: str, apart: Sequence[str]) -> bool:
    return any(path == one or path.startswith(f"{one}.") for one in apart)


def _short(value: object) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
