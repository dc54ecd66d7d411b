"""Base classes and field types of facts: frozen, strict, and unreadable where nothing was observed.

A fact is a value, `None` (there is no such thing here), or `Unobserved`.  Reading an attribute that holds an
`Unobserved` raises `UnobservedFact`, so that no check passes on data that nobody observed.

In: JSON that a sandbox or an archive holds.  Out: models, and a JSON reader that is stricter than Python's.
This module names no fact: the rooms facts/ and limits/ do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, RootModel, ValidationError
from pydantic_core import CoreSchema, core_schema

from provisioner.errors import IsolationError, UnobservedFact

MAX_BYTES = 1 << 20
MAX_DEPTH = 16
MAX_ITEMS = 4096
MAX_TEXT = 4096
U64 = (1 << 64) - 1
NOT_HELD = "these facts do not hold it"


class FactsError(IsolationError):
    """The bytes are not a facts document: too long, not UTF-8, not JSON, of another model, or with another nonce."""


class Unobserved(BaseModel):
    """A fact that could not be observed: the errno's name (or "") and what was tried."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    unobserved: str = Field(max_length=32)
    why: str = Field(max_length=MAX_TEXT)


def unobserved(why: str) -> Any:
    """Return an unobserved fact, for any field that is a `Fact`; its static type is that of the fact's value."""
    return Unobserved(unobserved="", why=why[:MAX_TEXT])


def since_schema() -> Any:
    """
    Return the default of a fact that documents of an older probe do not hold: it is unobserved there.

    Example:
        landlock: Fact[Number] = since_schema()
    """
    return Field(default_factory=lambda: Unobserved(unobserved="", why=NOT_HELD))


def is_missing(fact: Any) -> bool:
    """Return whether a document does not hold a fact at all, so that it can still be measured."""
    return isinstance(fact, Unobserved) and fact.why == NOT_HELD


# how pydantic's errors name the two choices; no path in a document holds them
_UNOBSERVED, _VALUE = "(unobserved)", "(value)"


class _MayBeUnobserved:
    """Widens a field's schema by `Unobserved` while its static type stays the value's."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        unobserved = (handler.generate_schema(Unobserved), _UNOBSERVED)
        return core_schema.union_schema([unobserved, (handler(source), _VALUE)], mode="left_to_right")


T = TypeVar("T")
Fact = Annotated[T, _MayBeUnobserved()]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
# What a call came to: "ok", an errno's name (errno(3)) or "E" and its number, the signal that ended it, or "timeout"
Answer = Annotated[str, Field(max_length=32, pattern="^(ok|timeout|E[A-Z0-9]+|SIG[A-Z0-9]+)$")]
Number = Annotated[int, Field(ge=0, le=U64)]
Items = Annotated[list[T], Field(max_length=MAX_ITEMS)]
Signed = Annotated[int, Field(ge=-(1 << 63), le=U64)]


class Observed(BaseModel):
    """Base of all facts: frozen, strict, no unknown keys, and unreadable where unobserved."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if type(value) is Unobserved:
            __tracebackhide__ = True  # a test's own line is what pytest shows
            raise UnobservedFact(name, value.unobserved, value.why)
        return value

    def raw(self, name: str) -> Any:
        """Return the attribute's value, or the `Unobserved` itself; for reports, which must show both."""
        return self.__dict__[name]


V = TypeVar("V")


class FactMap(RootModel[dict[str, V]]):
    """A mapping in which missing keys are unobserved facts: a probe that did not try has not seen a wall."""

    model_config = ConfigDict(frozen=True, strict=True)

    def __getitem__(self, name: str) -> V:
        value = self.root.get(name)
        if value is None:
            raise UnobservedFact(name, "", NOT_HELD)
        if isinstance(value, Unobserved):
            raise UnobservedFact(name, value.unobserved, value.why)
        return value

    def __contains__(self, name: str) -> bool:
        return name in self.root

    def names(self) -> Iterator[str]:
        """Yield the names in the document's order."""
        return iter(self.root)


def check_json(data: bytes, what: str, limit: int = MAX_BYTES) -> Any:
    """
    Decode JSON, and refuse what Python's and pydantic's readers accept.

    Args:
        data: the bytes.
        what: their name in errors.
        limit: the most bytes allowed.

    Returns:
        The decoded document.

    Raises:
        FactsError: too long, not UTF-8, not JSON, a duplicate key, NaN or Infinity, or nested deeper than 16.
    """
    if len(data) > limit:
        raise FactsError(f"cannot read the {what}: {len(data)} bytes, more than {limit}")
    try:
        text = data.decode("utf-8")
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise FactsError(f"cannot read the {what}: not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise FactsError(f"cannot read the {what}: nested too deeply") from None
    except ValueError as error:
        raise FactsError(f"cannot read the {what}: {_printable(str(error))}") from None
    _check_depth(document, what)
    return document


def first_fault(error: ValidationError) -> str:
    """Return where a document is wrong and why, in one printable line: a place holds keys that the sandbox chose."""
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    first = next((one for one in errors if _UNOBSERVED not in one["loc"]), errors[0])
    place = ".".join(str(part) for part in first["loc"] if part not in (_UNOBSERVED, _VALUE))
    return f"{_printable(place) or 'document'}: {_printable(first['msg'].removeprefix('Value error, '))}"


def _printable(text: str) -> str:
    """Return at most 200 characters of one line."""
    return "".join(c if c.isprintable() else "?" for c in text[:200])


def _unique(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _check_depth(document: Any, what: str) -> None:
    """Refuse a document that is nested too deeply; without recursion, as a sandbox chooses the depth."""
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
        ]
        if not level:
            return
    raise FactsError(f"cannot read the {what}: nested deeper than {MAX_DEPTH}")
