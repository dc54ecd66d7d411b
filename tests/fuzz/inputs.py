"""Samples of what a target reads, changes of a sample, and the bytes of the result.

In: a sample: a document (what JSON can hold) with its renderer, or bytes.  Out: bytes.
A change of the document is an `Edit`, a change of its bytes a `Splice`.  A case is a sample with changes, and one file
of corpus/ (JSON).
"""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Path = tuple[str | int, ...]
# A string "raw*3000:[" is written as 3000 brackets without quotes: what json.dumps cannot write.
RAW = re.compile(rb'"raw(?:\*([0-9]+))?:((?:[^"\\]|\\.)*)"')
TWICE = "#twice"  # the end of a key that is written like the key before it


@dataclass(frozen=True)
class Edit:
    """
    One change of a document; it does nothing if the path no longer exists.

    Attributes:
        verb: "set" to `value`; "nudge" it by the number `value` within its type; "copy" the node at the path `value`;
            "drop"; "twice" (an item, or a key); "empty"; "cut" to the first item or half a text; "add" `value` as item
            or with the key "added"; "rename" to `value`.
        path: the node.
        value: what the verb needs.
    """

    verb: str
    path: Path
    value: Any = None


@dataclass(frozen=True)
class Splice:
    """Bytes to insert at `at` (modulo the length) in place of the next `cut` bytes."""

    at: int
    cut: int
    insert: bytes


def render_json(document: Any) -> bytes:
    """Return JSON; it is YAML too."""
    return json.dumps(document).encode()


def render_lines(document: Any) -> bytes:
    """Return the items of a list as lines of JSON."""
    items = document if isinstance(document, list) else [document]
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


@dataclass(frozen=True)
class Sample:
    """
    A sound input.

    Attributes:
        name: its name in cases.
        document: what `edits` change; None if only bytes can be changed.
        data: the bytes that `splices` change if there are no edits; empty: the rendered document.
        render: turns the document into bytes.
    """

    name: str
    document: Any = None
    data: bytes = b""
    render: Callable[[Any], bytes] = render_json

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """The paths of all nodes but the root; of a list those of the first eight items."""
        return tuple(_paths(self.document))

    @cached_property
    def _pickled(self) -> bytes:
        """The document, to be copied: faster than copy.deepcopy."""
        return pickle.dumps(self.document)

    def change(self, edits: Sequence[Edit], splices: Sequence[Splice]) -> bytes:
        """Return the bytes of the sample with these changes."""
        if self.document is None or (not edits and self.data):
            data = self.data
        else:
            document = pickle.loads(self._pickled)
            for edit in edits:
                document = _edited(document, edit)
            data = RAW.sub(_raw, self.render(document).replace(TWICE.encode() + b'"', b'"'))
        for splice in splices:
            at = splice.at % (len(data) + 1)
            data = data[:at] + splice.insert + data[at + splice.cut :]
        return data


@dataclass(frozen=True)
class Case:
    """
    A sample with changes.

    Attributes:
        sample: the sample's name.
        edits: changes of its document.
        splices: changes of its bytes.
        why: what went wrong with it once.
        says: a part of the line that refuses it; "": it is taken.
    """

    sample: str
    edits: tuple[Edit, ...] = ()
    splices: tuple[Splice, ...] = ()
    why: str = field(default="", compare=False)
    says: str = field(default="", compare=False)

    def dump(self) -> str:
        """Return the text of a file of corpus/."""
        document: dict[str, Any] = {"sample": self.sample}
        document |= {name: text for name in ("why", "says") if (text := getattr(self, name))}
        if self.edits:
            document["edits"] = [[one.verb, list(one.path), one.value] for one in self.edits]
        if self.splices:
            document["splices"] = [[one.at, one.cut, one.insert.decode("latin-1")] for one in self.splices]
        return json.dumps(document, indent=1) + "\n"


def load_case(text: str) -> Case:
    """Return the case that `Case.dump` wrote."""
    document = json.loads(text)
    return Case(
        document["sample"],
        tuple(Edit(verb, tuple(path), value) for verb, path, value in document.get("edits", ())),
        tuple(Splice(at, cut, insert.encode("latin-1")) for at, cut, insert in document.get("splices", ())),
        document.get("why", ""),
        document.get("says", ""),
    )


def _paths(document: Any, path: Path = ()) -> Iterator[Path]:
    children: list[tuple[str | int, Any]] = []
    if isinstance(document, dict):
        children = list(document.items())
    elif isinstance(document, list):
        children = list(enumerate(document))[:8]
    for key, child in children:
        yield (*path, key)
        yield from _paths(child, (*path, key))


def _raw(match: re.Match[bytes]) -> bytes:
    text: str = json.loads(b'"' + match[2] + b'"')
    return text.encode("utf-8", "surrogatepass") * int(match[1] or 1)


def _node(document: Any, path: Path) -> Any:
    for part in path:
        document = document[part]
    return document


def _edited(document: Any, edit: Edit) -> Any:
    if not edit.path:
        return copy.deepcopy(edit.value) if edit.verb == "set" else document
    try:
        holder, key = _node(document, edit.path[:-1]), edit.path[-1]
        _VERBS[edit.verb](document, holder, key, copy.deepcopy(edit.value))
    except (KeyError, IndexError, TypeError, AttributeError):
        pass  # an edit before took the node away
    return document


def _copy(document: Any, holder: Any, key: Any, value: Any) -> None:
    holder[key] = json.loads(json.dumps(_node(document, tuple(value))))


def _twice(document: Any, holder: Any, key: Any, value: Any) -> None:
    if isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        holder[f"{key}{TWICE}"] = holder[key]


def _empty(document: Any, holder: Any, key: Any, value: Any) -> None:
    holder[key] = type(holder[key])()


def _cut(document: Any, holder: Any, key: Any, value: Any) -> None:
    node = holder[key]
    holder[key] = node[:1] if isinstance(node, list) else node[: len(node) // 2]


def _nudge(document: Any, holder: Any, key: Any, value: Any) -> None:
    node = holder[key]
    if isinstance(node, bool):
        holder[key] = not node
    elif isinstance(node, int):
        holder[key] = (node + value, node - value, node << value, node >> value, value, -node)[value % 6]
    elif isinstance(node, str):
        at = value % (len(node) + 1)
        holder[key] = (node[at:], node[:at], node[:at] + "x" + node[at:], node + "/x", node.upper(), "")[value % 6]
    elif isinstance(node, list) and node:
        holder[key] = (node[::-1], node * 2, node[1:], [node[value % len(node)]])[value % 4]


def _add(document: Any, holder: Any, key: Any, value: Any) -> None:
    if isinstance(holder[key], list):
        holder[key].append(value)
    else:
        holder[key]["added"] = value


def _rename(document: Any, holder: Any, key: Any, value: Any) -> None:
    holder[str(value)] = holder.pop(key)


_VERBS: dict[str, Callable[[Any, Any, Any, Any], None]] = {
    "set": lambda document, holder, key, value: holder.__setitem__(key, value),
    "drop": lambda document, holder, key, value: holder.__delitem__(key),
    "copy": _copy,
    "twice": _twice,
    "empty": _empty,
    "nudge": _nudge,
    "cut": _cut,
    "add": _add,
    "rename": _rename,
}
