"""Makes a runtime of a command line that a user starts a sandbox with.

In: the text of a command line.
Out: a `Runtime` that starts the sandbox by that command, with the probe in the place of the user's program, and what
was changed of the command, in words.
`{probe}` marks the place of the probe.  Without it the command must be an engine's `run` (docker, podman), as the key
`command_line` of its runtime.yaml describes it.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest
from provisioner.runtimes.compose import read_service
from provisioner.runtimes.engine_run import CommandLine, image_name
from provisioner.runtimes.load import load_runtime, runtime_names
from provisioner.runtimes.pod import read_pod
from provisioner.runtimes.runtime import Runtime
from provisioner.runtimes.users_own import (
    PROBE_PATH,
    UserCommand,
    cannot_of_command,
    literal,
    short,
    users_changes,
)

GENERIC = "command"  # the runtime's name where no engine is known: nobody documents its walls
PLACE = re.compile(
    r"\{probe(?:(?P<tty>-tty)?(?::(?P<inside>/[^{}]*))?|-(?P<file>file)|-(?P<fd>fd)"
    r"|-copy:(?P<folder>/[^{}=]*)=(?P<shown>/[^{}]*))\}"
)
MEANT = re.compile(r"\{probe[^{}]*\}")
MARKS = ("{probe}", "{probe:/PATH}", "{probe-tty}", "{probe-fd}", "{probe-copy:/FOLDER=/INSIDE}", "{probe-file}")
COPY = "isolation-probe-{{ nonce }}"
MEMFD_PATH = "/proc/self/fd/3"  # probe/start/start.h
MAX_CHARACTERS = 8192
SYMPTOMS = [
    {
        "match": r"(?i)not a (tty|terminal|typewriter)|no tty present|inappropriate ioctl"
        r"|(requires?|needs?|without) a (tty|terminal)",
        "cause": "its command wants a terminal",
        "mend": "write {probe-tty} instead of {probe}: the command then runs on a terminal of its own",
    },
]
ARCHIVES = ("docker-archive", "oci-archive")  # containers-transports(5)


def read_command(text: str) -> UserCommand:
    """
    Return the runtime that a command line makes.

    Args:
        text: the command line, quoted as for a shell; no shell reads it.  `{probe}` is the probe with its arguments,
            `{probe:/PATH}` the same where the sandbox shows the probe at /PATH, `{probe-tty}` on a terminal,
            `{probe-fd}` by an inherited descriptor, `{probe-copy:/FOLDER=/INSIDE}` from a copy in a folder,
            `{probe-file}` the probe's path here.

    Raises:
        IsolationError: it cannot be read, or has no place for the probe.
    """
    words = _split(text)
    if any(MEANT.search(word) for word in words):
        return UserCommand(PurePosixPath(words[0]).name, _generic(text, words))
    if declared := read_service(words, text) or read_pod(words, text):
        return declared
    engine = PurePosixPath(words[0]).name
    described = load_runtime(engine) if engine in runtime_names() else None
    if described is None or described.command_line is None:
        example = f"write {{probe}} where your program stands: '{words[0]} … -- {{probe}}'"
        braced = next((word for word in words if word.startswith("{")), "")
        raise IsolationError(
            f"cannot put the probe into '{short(text)}': it has no {{probe}}",
            suggest(braced, MARKS, example) if braced else example,
        )
    return _engine(described, described.command_line, words, text)


def _split(text: str) -> list[str]:
    if len(text) > MAX_CHARACTERS:
        raise IsolationError(f"cannot read the command line: it has more than {MAX_CHARACTERS} characters")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise IsolationError(f"cannot read the command line '{short(text)}': {error}") from None
    if not words or not words[0]:
        raise IsolationError("cannot read the command line: it is empty", "name a program: 'bwrap … -- {probe}'")
    return words


def _generic(text: str, words: Sequence[str]) -> Runtime:
    """Return the runtime of a command with the probe's place in it."""
    _refuse_unknown_marks(words)
    places = [place for word in words for place in PLACE.finditer(word)]
    folders = {place["folder"].rstrip("/") for place in places if place["folder"]}
    if len(folders) > 1:
        raise IsolationError(f"cannot put the probe into '{short(text)}': it is copied to one folder, not to several")
    if sum(not place["file"] for place in places) > 1:
        raise IsolationError(
            f"cannot put the probe into '{short(text)}': it stands for one program, and has two places",
            "write {probe-file} where only its path is needed",
        )
    create = ["{{ probe }}", "launch", "--supervise"]
    create += ["--terminal"] if any(place["tty"] for place in places) else []
    create += ["--memfd-exec"] if any(place["fd"] for place in places) else []
    create += ["--copy", f"{literal(folders.pop())}/{COPY}"] if folders else []
    create.append("--")
    for word in words:
        whole = PLACE.fullmatch(word)
        if whole is None:
            create.append(_with_places(word))
        else:
            create += [_path(whole), *([] if whole["file"] else ["serve", "{{ nonce }}"])]
    return Runtime.model_validate(
        {
            "name": GENERIC,
            "title": short(text),
            "kind": "container",
            "class": "container",
            "boundary": _boundary(words[0]),
            "binary": words[0],
            "create": create,
            "folder": os.getcwd(),
            "network": {"none": {}},
            "symptoms": SYMPTOMS,
            "cannot": {"exec": "a command line has no exec of its own", **cannot_of_command()},
            "install": f"install it, or name a program that is on PATH: '{words[0]}'",
        }
    )


def _refuse_unknown_marks(words: Sequence[str]) -> None:
    for word in words:
        for mark in MEANT.findall(word):
            if not PLACE.fullmatch(mark):
                mend = suggest(mark, MARKS, f"there are: {', '.join(MARKS)}")
                raise IsolationError(f"cannot put the probe into the command line: '{mark}' is no mark for it", mend)


def _path(place: re.Match[str]) -> str:
    """Return the template of the probe's path at a place."""
    if place["fd"]:
        return MEMFD_PATH
    if place["folder"]:
        return f"{literal(place['shown'].rstrip('/'))}/{COPY}"
    return literal(place["inside"]) if place["inside"] else "{{ probe }}"


def _boundary(program: str) -> str:
    """Return what the process on the host is for a program that a role describes (runsc), else the subject."""
    described = (load_runtime(name) for name in runtime_names())
    name = PurePosixPath(program).name
    return next((one.boundary for one in described if one.binary == name and one.kind == "container"), "process")


def _with_places(word: str) -> str:
    """Return the template of a word that holds the probe's place among other text, for a shell that reads it."""
    parts: list[str] = []
    at = 0
    for place in PLACE.finditer(word):
        parts.append(literal(word[at : place.start()]))
        path = shlex.quote(place["inside"]) if place["inside"] else _path(place)
        parts.append(path if place["file"] else f"{path} serve {{{{ nonce }}}}")
        at = place.end()
    return "".join([*parts, literal(word[at:])])


def _engine(described: Runtime, how: CommandLine, words: Sequence[str], text: str) -> UserCommand:
    """Return the runtime of an engine's `run`, with the engine's own exec, state and delete."""
    taken = how.take(words, text)
    archive = _archive_of(taken.image)
    before = [literal(word) for word in taken.before]

    def beside(argv: Sequence[str] | None) -> list[str]:
        """Return another command of the engine, by the user's program and with their options before its verb."""
        return [literal(words[0]), *before, *(argv or ())[1:]]

    create = [
        literal(words[0]),
        *before,
        *(literal(word) for word in taken.run),
        *how.add,
        *(literal(word) for word in taken.options),
        literal(taken.image) if not archive else "{{ image }}",
        "serve",
        "{{ nonce }}",
    ]
    untouched = [
        literal(words[0]),
        *before,
        "create",
        *how.untouched.add,
        *(literal(word) for word in taken.untouched),
        "{{ image }}" if archive else literal(taken.image),
        *(literal(word) for word in taken.command or [PROBE_PATH]),  # an image may have no command
    ]
    runtime = described.model_copy(
        update={
            **users_changes(described, text, beside),
            "binary": words[0],
            "own_archive": archive,
            "import_": beside(described.import_) if archive else None,
            "forget": beside(described.forget) if archive else None,
            "create": create,
            "untouched": untouched,
        }
    )
    loaded = (f"{archive} loaded for the run",) if archive else ()
    return UserCommand(image_name(taken.image), runtime, (*loaded, *taken.changed))


def _archive_of(image: str) -> str:
    """
    Return the absolute path of an image that is an archive, "" for an image in the engine's storage.

    Raises:
        IsolationError: there is no such file.
    """
    kind, colon, path = image.partition(":")
    if not colon or kind not in ARCHIVES:
        return ""
    if not os.path.isfile(path):
        raise IsolationError(f"cannot find the image archive '{path}'", f"save one: docker save --output {path} IMAGE")
    return os.path.abspath(path)
