"""Finds the running sandboxes of a runtime, for `--isolation-attach=docker:` without a name.

In: what the user named.  Out: one text for each sandbox, "docker:web".  Asks the runtime, and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest

from provisioner.connection.local import LocalConnection
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.runtimes.attach import Attach
from provisioner.runtimes.engine import Engine
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import symptom_in

OURS = re.compile(r"isolation-[0-9a-f]{8}-[0-9]+")  # sandboxes of a run of this project, which end with it
MOST = 64  # columns


def expand_attached(texts: Iterable[str]) -> Iterator[str]:
    """
    Yield each sandbox to attach to; a text without a name stands for all that run.

    Args:
        texts: "docker:web" for one; "docker:" for all of docker, "runc:/FOLDER/" for all of that folder.

    Raises:
        pytest.UsageError: none runs, more than 64 run, or the runtime does not answer.
    """
    for text in texts:
        base, colon, at = text.partition(":")
        if not colon or (at and not at.endswith("/")) or (attach := _attach_of(base)) is None:
            yield text
            continue
        names = _running(base, attach, at)
        if not names:
            raise pytest.UsageError(f"--isolation-attach: no sandbox of '{text}' runs; name one: {base}:NAME")
        if len(names) > MOST:
            raise pytest.UsageError(
                f"--isolation-attach: {len(names)} sandboxes of '{text}' run, at most {MOST} are shown"
            )
        yield from (f"{text}{name}" for name in names)


def _attach_of(base: str) -> Attach | None:
    """Return how to attach to a runtime's sandboxes if they can be listed, else None."""
    try:
        attach = load_runtime(base).attach
    except IsolationError:
        return None  # its error is told where one name is read
    return attach if attach is not None and attach.running else None


def _running(base: str, attach: Attach, at: str) -> list[str]:
    """Return the names of the running sandboxes, sorted, without those of this project's runs."""
    runtime = load_runtime(base)
    argv = render_argv(attach.running, {"at": at.rstrip("/")}, f"{base}: attach.running")
    try:
        done = Engine(runtime, LocalConnection()).run(argv, deadline("command"))
    except IsolationError as error:
        raise pytest.UsageError(f"--isolation-attach: cannot list the sandboxes of '{base}': {error}") from None
    if done.status != 0:
        symptom = symptom_in(runtime, done.stderr.decode("utf-8", "backslashreplace"))
        why = f"{symptom.cause}; {symptom.mend}" if symptom else done.last_words
        raise pytest.UsageError(f"--isolation-attach: cannot list the sandboxes of '{base}': {why}")
    names = done.stdout.decode("utf-8", "replace").split()
    return sorted(name for name in names if not OURS.fullmatch(name))
