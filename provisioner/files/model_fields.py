"""Finds the keys that a pydantic model allows at a place in a document, for the hint of an error."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, RootModel


def field_names(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """
    Return the keys that are allowed at a place, as they are written in a file.

    Args:
        model: the document's model.
        location: pydantic's path to the place; parts that a union or a validator added are skipped.
    """
    here = _open(model)
    for part in location:
        deeper = [found for annotation in here for found in _step(annotation, part)]
        here = deeper or here
    names: list[str] = []
    for annotation in here:
        if _is_model(annotation):
            names += [field.alias or name for name, field in annotation.model_fields.items()]
    return list(dict.fromkeys(names))


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _open(annotation: Any) -> list[Any]:
    """Resolve Annotated, unions and root models to the types that have keys or items."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _open(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [found for choice in get_args(annotation) for found in _open(choice)]
    if _is_model(annotation) and issubclass(annotation, RootModel):
        return _open(annotation.model_fields["root"].annotation)
    return [annotation]


def _step(annotation: Any, part: str | int) -> list[Any]:
    if _is_model(annotation):
        for name, field in annotation.model_fields.items():
            if part in (name, field.alias):
                return _open(field.annotation)
        return []
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
        return _open(arguments[1])
    if isinstance(origin, type) and issubclass(origin, Sequence) and arguments and isinstance(part, int):
        return _open(arguments[0])
    return []
