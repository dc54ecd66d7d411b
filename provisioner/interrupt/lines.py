"""The lines that an interrupted program writes: what it undoes, what is left, how to end it at once.

In: the signal, and things that are not undone yet.  Out: texts.  Pure, but for `left`, which asks the journal.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Sequence
from signal import Signals

NAMED = 12  # things that the last line names
GREAT = ("sandbox", "machine")
SMALL = ("canary", "cgroup", "folder")  # there are many, and they are soon removed
PLURALS = {"sandbox": "sandboxes", "process": "processes"}

Thing = tuple[str, str]  # a kind and a name: ("sandbox", "iso-1f")
Source = Callable[[bool], Sequence[Thing]]


def nothing(dead: bool) -> Sequence[Thing]:
    """Return no things."""
    return ()


_source: Source = nothing


def set_source(source: Source) -> None:
    """
    Set the function that returns what is not undone yet.

    Args:
        source: called with False for the things of this process and its children, and with True for those of dead
            processes too: what `provisioner prune` finds when this process has ended.
    """
    global _source
    _source = source


def left(dead: bool = False) -> Sequence[Thing]:
    """Return what is not undone yet; nothing if it cannot be read."""
    try:
        return _source(dead)
    except Exception:  # a line must not fail because of a journal
        return ()


def first_line(number: Signals, things: Sequence[Thing], doing: str = "") -> str:
    """Return the line of the first signal."""
    by = "interrupted" if number == signal.SIGINT else f"interrupted by {number.name}"
    undone = _doing(things, doing)
    return f"{by}; {undone} ({_again_text(number, 'twice')})" if undone else by


def second_line(number: Signals, things: Sequence[Thing], doing: str = "") -> str:
    """Return the line of the second signal."""
    return f"still {_doing(things, doing) or 'ending'} ({_again_text(number, 'once')})"


def last_line(things: Sequence[Thing]) -> str:
    """Return the line of a program that ends at once."""
    if not things:
        return "ended at once; nothing is left"
    names = [f"{kind} {name}" for kind, name in _by_weight(things)]
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return f"ended at once; left for `provisioner prune`: {', '.join(names[:NAMED] + more)}"


def _again_text(number: Signals, times: str) -> str:
    key = "Ctrl-C" if number == signal.SIGINT else number.name
    return f"{key} {times} more ends at once"


def _doing(things: Sequence[Thing], doing: str) -> str:
    """Say what is done to things: machines by name, the number of each other kind, small things together."""
    machines = sorted({name for kind, name in things if kind == "machine"})
    counts = Counter("thing" if kind in SMALL else kind for kind, _ in _by_weight(things) if kind != "machine")
    words = [f"{count} {kind if count == 1 else PLURALS.get(kind, kind + 's')}" for kind, count in counts.items()]
    if words and len(counts) > 1 and "thing" in counts:
        words[-1] = words[-1].replace(" ", " other ", 1)
    parts = [doing] if doing else []
    if words:
        parts.append(f"removing {_join(words)}")
    if machines:
        name = "machine" if len(machines) == 1 else "machines"
        parts.append(f"stopping {name} {_join([repr(machine) for machine in machines])}")
    return _join(parts)


def _by_weight(things: Sequence[Thing]) -> list[Thing]:
    """Return each thing once, sandboxes and machines first, cgroups and folders last."""
    return sorted(dict.fromkeys(things), key=lambda thing: (thing[0] in SMALL, thing[0] not in GREAT))


def _join(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
