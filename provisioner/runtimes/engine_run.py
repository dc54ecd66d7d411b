"""Takes an engine's `run` apart: the key `command_line` of a runtime.yaml.

In: the words of a user's command line.
Out: `Taken`: the words that stay, and what was taken out or replaced, in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest

ENTRYPOINT = "--entrypoint"


@dataclass(frozen=True)
class Taken:
    """
    The parts of an engine's `run`.

    Attributes:
        before: options before the word `run`; the engine's other commands need them too.
        run: the words that start a container: ["run"], ["container", "run"].
        options: the user's options that stay.
        image: the image.
        changed: what was taken out or replaced, a phrase each.
        untouched: the user's options for the engine's `create`.
        command: the words after the image.
    """

    before: tuple[str, ...]
    run: tuple[str, ...]
    options: tuple[str, ...]
    image: str
    changed: tuple[str, ...]
    untouched: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


def image_name(image: str) -> str:
    """Return an image's name without its registry, tag, digest and ending: "me/app:1.4" and "/x/app.tar" are "app"."""
    last = image.rpartition("/")[2].partition("@")[0].partition(":")[0].removesuffix(".tar")
    return re.sub(r"[^A-Za-z0-9_.-]", "-", last).lstrip("_.-") or "image"


class Comparison(BaseModel):
    """
    How the untouched command line is compared with what the probe's command makes.

    Attributes:
        drop: options that the engine's `create` does not take, or that would act beyond a container.
        add: options that are added to `create`; templates as in `create`.
        look: the keys of the state's answer that are compared.
        apart: paths in it, "Config.Cmd", that the probe's command changes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    drop: list[str]
    add: list[str]
    look: list[str]
    apart: list[str]


class CommandLine(BaseModel):
    """
    How an engine's `run` of a user is taken over.

    The probe comes in by `add`: a read-only bind, and an entrypoint in front of the image.

    Attributes:
        switches: options of `run` without a value.
        global_switches: options before `run` without a value.
        drop: options that concern the terminal, the name, detaching and restarting: they are taken out, and that is
            told.
        add: options that are added; templates as in `create`.
        untouched: how the user's command is compared with ours.
        stored: a command that succeeds if the image `name` is in the engine's storage.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    switches: list[str]
    global_switches: list[str]
    drop: list[str]
    add: list[str]
    untouched: Comparison
    stored: list[str]

    def take(self, words: Sequence[str], text: str) -> Taken:
        """
        Take a command line apart.

        Args:
            words: the command line, the engine's program first.
            text: the same as the user wrote it, for errors.

        Raises:
            IsolationError: it is no `run`, or names no image.
        """
        at = 1 + sum(size for _, size in options_of(words, 1, self.global_switches))
        before = tuple(words[1:at])
        verb = ["container", "run"] if list(words[at : at + 2]) == ["container", "run"] else ["run"]
        if list(words[at : at + len(verb)]) != verb:
            wrong = words[at] if at < len(words) else ""
            mend = suggest(wrong, ["run"], "write it as 'run', or write {probe} where your program stands")
            raise IsolationError(f"cannot put the probe into '{text[:80]}': '{words[0]} {wrong}' is no run", mend)
        at += len(verb)
        kept: list[str] = []
        untouched: list[str] = []
        changed: list[str] = []
        for option, size in options_of(words, at, self.switches):
            part = words[at : at + size]
            at += size
            rest = _without(option, part, (*self.drop, ENTRYPOINT))
            kept += rest
            untouched += _without(option, part, self.untouched.drop)
            if rest != list(part):
                changed.append(f"{' '.join(part)} {'replaced by the probe' if option == ENTRYPOINT else 'taken out'}")
        at += at < len(words) and words[at] == "--"
        if at >= len(words):
            raise IsolationError(f"cannot put the probe into '{text[:80]}': it names no image")
        if at + 1 < len(words):
            changed.append(f"{' '.join(words[at + 1 :])[:80]} replaced by the probe")
        further = tuple(words[at + 1 :])
        return Taken(before, tuple(verb), tuple(kept), words[at], tuple(changed), tuple(untouched), further)


def _without(option: str, part: Sequence[str], dropped: Sequence[str]) -> list[str]:
    """Return the words of one option that stay; of joined short switches (-dit) those letters that stay."""
    if option in dropped:
        return []
    if re.fullmatch(r"-[A-Za-z]{2,}", option) and len(part) == 1:
        letters = "".join(letter for letter in option[1:] if f"-{letter}" not in dropped)
        return [f"-{letters}"] if letters else []
    return list(part)


def options_of(words: Sequence[str], at: int, switches: Sequence[str]) -> Iterator[tuple[str, int]]:
    """
    Yield each option from a place on, with the number of its words.

    Args:
        words: the command line.
        at: where the options begin.
        switches: the options that take no value as a word of its own.
    """
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-", "--"):
        name, equals, _ = words[at].partition("=")
        alone = bool(equals) or name in switches or (not name.startswith("--") and _holds_its_value(name, switches))
        size = 1 if alone or at + 1 == len(words) else 2
        yield name, size
        at += size


def _holds_its_value(name: str, switches: Sequence[str]) -> bool:
    """Whether short options in one word need no further word: "-it" are two switches, "-p80:80" holds its value."""
    for index, letter in enumerate(name[1:], 1):
        if f"-{letter}" not in switches:
            return index < len(name) - 1  # the rest is its value
    return True
