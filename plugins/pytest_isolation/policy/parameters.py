"""Tells which parameters of a test belong to its check, and which only say where or how often it runs.

In: a pytest item.  Out: the test's name without parameters, and the ids of its own parameters.
The node id is never taken apart: plugins add parameters to it (pytest-repeat), and the name of a target may be the
value of a user's parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PLACES = ("isolation_target", "_testinfra_host")  # they say on which target a test runs: ours, and testinfra's


def base_of(test: Any) -> str:
    """Return the node id of a pytest item without its parameters; of a plain function "MODULE::NAME"."""
    name, parent = getattr(test, "originalname", None), getattr(test, "parent", None)
    if name and parent is not None:
        return f"{parent.nodeid}::{name}"
    function = getattr(test, "obj", test)
    plain = f"{getattr(function, '__module__', '')}::{getattr(function, '__name__', test)}"
    return str(getattr(test, "nodeid", plain))


def own_ids(test: Any) -> list[str]:
    """
    Return the ids of the parameters that a test or its fixtures ask for, in their order.

    The target is none of them, and neither is a parameter that a plugin adds in order to repeat the test.

    Args:
        test: a pytest item; a plain function has no parameters.
    """
    callspec = getattr(test, "callspec", None)
    if callspec is None:
        return []
    ids = list(callspec._idlist)
    calls = _calls(test, list(callspec.params))
    if len(calls) == len(ids):
        asked = _asked(test)
        return [one for one, names in zip(ids, calls, strict=True) if not asked.isdisjoint(names)]
    # an id is hidden (pytest.HIDDEN_PARAM), or a hook sets several parameters at once
    places = [str(callspec.params[name]) for name in PLACES if name in callspec.params]
    for place in places:
        if place in ids:
            ids.remove(place)
    return ids


def _calls(test: Any, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Group the names of parameters as they were set: each call of `parametrize` makes one id."""
    together = [_argnames(mark.args[0]) for mark in test.iter_markers("parametrize") if mark.args]
    calls: list[tuple[str, ...]] = []
    while names:
        call = next((one for one in together if one and tuple(names[: len(one)]) == one), (names[0],))
        calls.append(call)
        names = names[len(call) :]
    return calls


def _argnames(given: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip() for name in given.split(",") if name.strip()) if isinstance(given, str) else tuple(given)


def _asked(test: Any) -> set[str]:
    """Return the names of fixtures and parameters that the test's author asks for, directly or by a fixture."""
    info = test._fixtureinfo
    asked: set[str] = set()
    names = list(info.initialnames)
    while names:
        if (name := names.pop()) in asked:
            continue
        asked.add(name)
        names += [needed for fixture in info.name2fixturedefs.get(name, ()) for needed in fixture.argnames]
    return asked.difference(PLACES)
