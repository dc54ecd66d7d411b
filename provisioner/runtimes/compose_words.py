"""Takes the words of a compose program apart: `docker compose -f compose.yaml run web`.

In: a command line.  Out: `Composed`: the program, the options that stay, the service.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

from provisioner.connection.local import find_program, run_command
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest
from provisioner.runtimes.load import load_runtime, runtime_names
from provisioner.runtimes.runtime import Runtime
from provisioner.runtimes.users_files import Compose

VERBS = ("run", "up")
FILES = ("-f", "--file")
WITH_VALUE = (*FILES, "--profile", "--env-file", "--project-directory")  # options before the verb that stay
SWITCHES = ("--compatibility",)
PROJECT = ("-p", "--project-name")
DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
NOT_NEEDED = ("-d", "--detach", "--rm", "-T", "--no-TTY", "--no-deps")  # options after the verb that are taken out


@dataclass(frozen=True)
class Composed:
    """
    The words of a compose program, taken apart.

    Attributes:
        engine: the engine's runtime.
        how: its key `compose`.
        program: the program: ["docker", "compose"].
        options: options before the verb that stay.
        rest: the verb and all after it.
        changed: what was taken out.
    """

    engine: Runtime
    how: Compose
    program: tuple[str, ...]
    options: tuple[str, ...]
    rest: tuple[str, ...]
    changed: tuple[str, ...]


def find_program_of(words: Sequence[str]) -> tuple[Runtime, Compose, int] | None:
    """Return the engine of a compose program and the number of the program's words; None if it is none."""
    named = [PurePosixPath(words[0]).name, *words[1:]]
    for name in runtime_names():
        engine = load_runtime(name)
        for program in engine.compose.programs if engine.compose else ():
            if engine.compose and named[: len(program)] == program:
                return engine, engine.compose, len(program)
    return None


def installed_program() -> list[str]:
    """
    Return the compose program that is used where a user names none.

    Raises:
        IsolationError: none is installed.
    """
    known = [program for name in runtime_names() if (how := load_runtime(name).compose) for program in how.programs]
    for program in known:
        if find_program(program[0]) is None:
            continue
        if len(program) == 1 or run_command([*program, "version"], deadline("command")).status == 0:
            return program
    raise IsolationError(
        f"cannot read a compose file: none of {', '.join(map(' '.join, known))} is installed",
        "apt-get install --no-install-recommends docker-compose",
    )


def take_words(words: Sequence[str], engine: Runtime, how: Compose, size: int) -> Composed:
    at = size
    options: list[str] = []
    changed: list[str] = []
    while at < len(words) and words[at].startswith("-"):
        name, equals, _ = words[at].partition("=")
        part = words[at : at + (1 if equals or name in SWITCHES else 2)]
        at += len(part)
        if name in PROJECT:
            changed.append(f"{' '.join(part)} replaced by a project of this run")
        elif name in (*WITH_VALUE, *SWITCHES):
            options += part
        else:
            known = (*WITH_VALUE, *SWITCHES, *PROJECT)
            raise IsolationError(
                f"cannot take over '{' '.join(words)[:80]}': its option '{name}' is not known here",
                suggest(name, known, f"there are: {', '.join(known)}"),
            )
    return Composed(engine, how, tuple(words[:size]), tuple(options), tuple(words[at:]), tuple(changed))


def service_of(parts: Composed, text: str) -> tuple[str, list[str]]:
    """Return the service that is named after the verb, and what was taken out."""
    verb, rest = (parts.rest[0] if parts.rest else ""), parts.rest[1:]
    if verb not in VERBS:
        mend = suggest(verb, VERBS, f"write it as '{' '.join(parts.program)} -f FILE run SERVICE'")
        raise IsolationError(f"cannot put the probe into '{text[:80]}': '{verb}' starts no service", mend)
    options = list(takewhile(lambda word: word.startswith("-"), rest))
    names = rest[len(options) :]
    wrong = [one for one in options if one not in NOT_NEEDED]
    if wrong or not names:
        why = f"its option '{wrong[0]}' is not known here" if wrong else "it names no service"
        raise IsolationError(f"cannot take over '{text[:80]}': {why}", "declare it in the file, or write {probe}")
    changed = [f"{one} taken out" for one in options]
    if len(names) > 1:
        if verb == "up":
            raise IsolationError(f"cannot take over '{text[:80]}': a column is one service", "name one service")
        changed.append(f"{' '.join(names[1:])[:80]} replaced by the probe")
    return names[0], changed


def files_of(parts: Composed) -> list[Path]:
    """Return the compose files that are named, else the default one of this folder."""
    named = [
        Path(word.partition("=")[2] or parts.options[at + 1])
        for at, word in enumerate(parts.options)
        if word.partition("=")[0] in FILES
    ]
    folder = Path(os.getcwd())
    found = [folder / name for name in DEFAULT_FILES if (folder / name).exists()][:1]
    return named or found
