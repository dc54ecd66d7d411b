"""Reads one table [tool.NAME] of a pyproject.toml into one frozen pydantic model, with the nearest key in errors.

In: a path, the table's name and a model.  Out: the model, or None if the table is not there.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from provisioner.errors import IsolationError
from provisioner.files.suggest import nearest
from provisioner.files.yaml import describe_first

MAX_BYTES = 1 << 20
Model = TypeVar("Model", bound=BaseModel)


def load_table(path: Path, name: str, model: type[Model]) -> Model | None:
    """
    Read the table [tool.NAME] strictly.

    Args:
        path: the pyproject.toml.
        name: the table's name, "pytest-isolation".
        model: a pydantic model that forbids unknown keys.

    Returns:
        The model; None if the file has no such table.

    Raises:
        IsolationError: the file cannot be read, is not TOML, has a table with nearly this name, or the table does not
            fit the model.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise IsolationError(f"cannot read '{path}': {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise IsolationError(f"cannot read '{path}': more than {MAX_BYTES >> 20} MiB")
    try:
        document: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise IsolationError(f"cannot read '{path}': not TOML: {str(error).splitlines()[0]}") from None
    tables = document.get("tool", {})
    if not isinstance(tables, dict):
        return None
    if name not in tables:
        near = nearest(name, tables, 0.9)
        if near is not None:
            raise IsolationError(f"{path}: unknown table [tool.{near}]", f"did you mean [tool.{name}]?")
        return None
    try:
        return model.model_validate(tables[name])
    except ValidationError as error:
        what, hint = describe_first(error, model)
        raise IsolationError(f"{path}: [tool.{name}]: {what}", hint) from None
