"""Keeps the inside and the outside view of one synthetic subject in agreement.

In: an edit of a record.  Out: the same edit, which also changes the other view.
Not for weaknesses of `view.agree`: so every other weakness moves its own check alone, as in a real sandbox.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Dict = dict[str, Any]
MIRRORED = ("namespaces", "capabilities", "no_new_privs", "seccomp", "lsm")
EXEC_MIRRORED = ("namespaces", "lsm", "no_new_privs", "uid", "gid", "groups")
OVERFLOW_ID = 65534


def agreeing(edit: Callable[[Dict], None]) -> Callable[[Dict], None]:
    """Return an edit that changes both views of a process."""

    def both(document: Dict) -> None:
        before = copy.deepcopy({part: document[part] for part in ("inside", "outside")})
        edit(document)
        parts = [document[part] for part in ("inside", "outside")]
        if all(isinstance(part, dict) and isinstance(part.get("process"), dict) for part in parts):
            _mirror(*(part["process"] for part in parts), *(before[part]["process"] for part in ("inside", "outside")))
            _mirror_exec(document, before["inside"])

    return both


def _mirror(inside: Dict, outside: Dict, inside_before: Dict, outside_before: Dict) -> None:
    for name in MIRRORED:
        if outside[name] != outside_before[name] and inside[name] == inside_before[name]:
            inside[name] = copy.deepcopy(outside[name])
        elif inside[name] != inside_before[name] and outside[name] == outside_before[name]:
            outside[name] = copy.deepcopy(inside[name])
    for ids, map_ in (("uid", "uid_map"), ("gid", "gid_map")):
        if not all(isinstance(part[name], list) for part in (inside, outside) for name in (ids, map_)):
            continue
        if inside[ids] != inside_before[ids] and outside[ids] == outside_before[ids]:
            outside[ids] = [_outside_of(number, outside[map_]) for number in inside[ids]]
        elif (outside[ids], outside[map_]) != (outside_before[ids], outside_before[map_]):
            inside[map_] = copy.deepcopy(outside[map_])
            inside[ids] = [_inside_of(number, outside[map_]) for number in outside[ids]]


def _mirror_exec(document: Dict, before: Dict) -> None:
    """Let an exec'd process that was like the first one stay like it."""
    exec_, inside = document["exec"], document["inside"]
    for part, names in (("process", EXEC_MIRRORED), ("system", before["system"] or ())):
        if not exec_.get(part):
            continue
        for name in names:
            if exec_[part].get(name) == before[part].get(name):
                exec_[part][name] = copy.deepcopy(inside[part][name])


def _outside_of(number: int, lines: list[Dict]) -> int:
    for line in lines:
        if line["inside"] <= number < line["inside"] + line["count"]:
            return int(line["outside"] + number - line["inside"])
    return OVERFLOW_ID


def _inside_of(number: int, lines: list[Dict]) -> int:
    for line in lines:
        if line["outside"] <= number < line["outside"] + line["count"]:
            return int(line["inside"] + number - line["outside"])
    return OVERFLOW_ID
