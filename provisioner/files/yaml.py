"""Reads one YAML file into one frozen pydantic model, with file, line and nearest key in errors.

In: a path and a model.  Out: the model, or one IsolationError.  YAML 1.2 without tags, anchors, duplicate keys, keys
that are not strings, and files over 256 KiB.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from provisioner.errors import IsolationError
from provisioner.files.model_fields import field_names
from provisioner.files.suggest import suggest

MAX_BYTES = 256 << 10
MAX_DEPTH = 16
PLAIN = tuple(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp"))

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]


@dataclass
class _Document:
    """A file's name, and the line (from 1) of each key and item by its path."""

    name: str
    lines: dict[Location, int] = field(default_factory=dict)

    def standing(self, location: Location) -> Location:
        """Return the parts of `location` that are in the file: unions and validators add further parts."""
        best: Location = ()
        for part in location:
            if (*best, part) in self.lines:
                best = (*best, part)
        return best

    def line_of(self, location: Location) -> int:
        """Return the line of the deepest part of `location` that is in the file."""
        return self.lines.get(self.standing(location), 1)

    def error(self, line: int, what: str, hint: str = "") -> IsolationError:
        """Return an error that begins with the file and the line."""
        return IsolationError(f"{self.name}:{line}: {what}", hint=hint)


@dataclass(frozen=True)
class Fault:
    """
    What is wrong at a place of a file beyond its model.

    Attributes:
        location: the keys and the numbers of items that lead to the place.
        what: what is wrong.
        hint: how to fix it, or "".
    """

    location: Location
    what: str
    hint: str = ""


def load_yaml(path: Path, model: type[Model], find_faults: Callable[[Model], Iterable[Fault]] | None = None) -> Model:
    """
    Read a file strictly.

    Args:
        path: the file; errors quote it as given.
        model: a pydantic model that forbids unknown keys; a RootModel for a list or a free mapping.
        find_faults: returns what is wrong with the model's content; the first in the file is the error.

    Raises:
        IsolationError: the file cannot be read, is not such YAML, or does not fit the model; with file and line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise IsolationError(f"cannot read '{path}': {error.strerror}") from None
    return parse_yaml(data, model, str(path), find_faults)


def parse_yaml(
    data: bytes, model: type[Model], name: str, find_faults: Callable[[Model], Iterable[Fault]] | None = None
) -> Model:
    """
    Like `load_yaml`, for the bytes of a file.

    Args:
        data: the bytes, at most MAX_BYTES.
        model: the pydantic model of the document.
        name: the name of the file, for errors.
        find_faults: as in `load_yaml`.

    Raises:
        IsolationError: as `load_yaml`.
    """
    if len(data) > MAX_BYTES:
        raise IsolationError(f"cannot read '{name}': more than {MAX_BYTES >> 10} KiB")
    document = _Document(name)
    value = _compose(data, document)
    try:
        read = model.model_validate({} if value is None else value)
    except ValidationError as error:
        raise _explain(error, model, document) from None
    faults = [(document.line_of(fault.location), fault) for fault in (find_faults(read) if find_faults else ())]
    if not faults:
        return read
    line, first = min(faults, key=lambda one: one[0])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    raise document.error(line, f"{'.'.join(map(str, first.location))}: {first.what}{more}", first.hint)


def _compose(data: bytes, document: _Document) -> Any:
    loader = YAML(typ="safe", pure=True)
    try:
        node = loader.compose(data.decode("utf-8"))
        return None if node is None else _value(node, (), document, loader)
    except UnicodeDecodeError as error:
        raise document.error(data[: error.start].count(b"\n") + 1, "not UTF-8") from None
    except RecursionError:
        raise document.error(1, "nested too deeply") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise document.error(mark.line + 1 if mark else 1, f"not YAML: {problem}") from None
    except ValueError as error:
        raise document.error(1, f"not YAML: {str(error).splitlines()[0]}") from None


def _value(node: Any, path: Location, document: _Document, loader: YAML) -> Any:
    line = node.start_mark.line + 1
    if node.anchor is not None:
        raise document.error(line, "anchors and aliases are not allowed", "write the value out")
    if len(path) > MAX_DEPTH:
        raise document.error(line, f"nested deeper than {MAX_DEPTH}")
    tag = str(node.tag)
    if tag == "tag:yaml.org,2002:seq":
        return [_item(child, (*path, index), document, loader) for index, child in enumerate(node.value)]
    if tag == "tag:yaml.org,2002:map":
        return _mapping(node, path, document, loader)
    if tag not in PLAIN:
        raise document.error(line, f"the tag '{tag}' is not allowed")
    try:
        value = loader.constructor.construct_object(node)
    except ValueError as error:  # a date such as 2026-02-30
        raise document.error(line, f"'{node.value}' cannot be read: {error}") from None
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise document.error(line, "half a character: an escape from \\ud800 to \\udfff")
    return value


def _item(node: Any, path: Location, document: _Document, loader: YAML) -> Any:
    document.lines[path] = node.start_mark.line + 1
    return _value(node, path, document, loader)


def _mapping(node: Any, path: Location, document: _Document, loader: YAML) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = _value(key_node, path, document, loader)
        if not isinstance(key, str):
            raise document.error(line, f"the key '{key_node.value}' is not a string", "quote it")
        if key in found:
            raise document.error(
                line, f"the key '{key}' appears twice", f"first in line {document.lines[(*path, key)]}"
            )
        document.lines[(*path, key)] = line
        found[key] = _value(value_node, (*path, key), document, loader)
    return found


def _explain(error: ValidationError, model: type[BaseModel], document: _Document) -> IsolationError:
    """Turn pydantic's errors into one: the first in the file, and how many more there are."""
    errors = error.errors(include_url=False)
    places = [document.standing(one["loc"]) for one in errors]
    # A union reports each of its choices; the one that got deepest into the file was meant.
    deepest = [
        one
        for one, place in zip(errors, places, strict=True)
        if not any(len(other) > len(place) and other[: len(place)] == place for other in places)
    ]
    first = min(deepest, key=lambda one: document.line_of(one["loc"]))
    what, hint = _describe(dict(first), model, document)
    more = len(errors) - 1
    return document.error(document.line_of(first["loc"]), what + (f" (and {more} more)" if more else ""), hint)


def describe_first(error: ValidationError, model: type[BaseModel]) -> tuple[str, str]:
    """
    Return one of pydantic's errors in words, for a document whose lines are not known.

    Returns:
        What is wrong, with the path of keys; and the hint, "" for none.
    """
    errors = error.errors(include_url=False)
    first = max(errors, key=lambda one: (one["type"] == "extra_forbidden", len(one["loc"])))
    known = _Document("", {tuple(first["loc"][:size]): 1 for size in range(1, len(first["loc"]) + 1)})
    what, hint = _describe(dict(first), model, known)
    within = ".".join(str(part) for part in first["loc"][:-1])
    named = first["type"] in ("extra_forbidden", "missing") and within
    return (f"{within}: {what}" if named else what), hint


def _describe(error: dict[str, Any], model: type[BaseModel], document: _Document) -> tuple[str, str]:
    location: Location = error["loc"]
    last = location[-1] if location else ""
    if error["type"] == "extra_forbidden":
        known = field_names(model, location[:-1])
        return f"unknown key '{last}'", _near(str(last), known)
    if error["type"] == "missing":
        return f"missing key '{last}'", ""
    if last == "[key]":
        return f"the key '{location[-2]}' is not allowed: {str(error['msg']).removeprefix('Value error, ')}", ""
    where = ".".join(str(part) for part in document.standing(location))
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "should be")
    if error["type"] in ("model_type", "dict_type", "model_attributes_type"):
        message = "should be keys with values"  # pydantic names a class of Python
    given = error.get("input")
    shown = f", not {given!r}" if isinstance(given, str | int | float | bool) and len(repr(given)) < 60 else ""
    choices = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
    hint = _near(str(given), choices) if choices and error["type"] != "value_error" else ""
    return f"{where}: {message}{shown}" if where else f"{message}{shown}", hint


def _near(name: str, known: list[str]) -> str:
    return suggest(name, known, f"known: {', '.join(known)}" if 0 < len(known) <= 24 else "")
