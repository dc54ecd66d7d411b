"""Renders JSON Schemas of pydantic models, and writes them to files.

In: models by file name.  Out: the same text for the same model, so that a test can compare a file with its model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from provisioner.errors import IsolationError
from provisioner.files.attributes import read_attributes
from provisioner.files.folder import Folder

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def render_schema(model: type[BaseModel]) -> str:
    """Return a model's schema as the text of a file."""
    schema: dict[str, Any] = {"$schema": DRAFT, **model.model_json_schema(by_alias=True)}
    for part in (schema, *schema.get("$defs", {}).values()):
        _describe(part)
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _describe(part: dict[str, Any]) -> None:
    """Move what the description of an object says about its keys to the keys: an editor shows it there."""
    about, texts = read_attributes(part.get("description", ""))
    for name, text in texts.items():
        key = name if name in part.get("properties", {}) else name.removesuffix("_")  # class_ is `class` in the file
        if (described := part.get("properties", {}).get(key)) is not None:
            described.setdefault("description", text)
    if about:
        part["description"] = about


def schemas_folder(given: Path | None, package: Path) -> Path:
    """
    Return the folder to write schemas to: the one that is named, else the package's own in a checkout.

    Args:
        given: the folder that the user named, or None.
        package: the package's own.

    Raises:
        IsolationError: none was named, and the package is installed.
    """
    if given is not None:
        return given
    if {"site-packages", "dist-packages"} & set(package.parts):
        raise IsolationError("cannot write schemas into the installed package", "name a folder: schemas DIRECTORY")
    return package


def write_schemas(models: Mapping[str, type[BaseModel]], directory: Path) -> list[Path]:
    """
    Write a schema for each model; return the paths.

    Args:
        models: the model for each path below `directory`.
        directory: made if it is missing.

    Raises:
        IsolationError: this process is root, and another user can lead it elsewhere.
        OSError: a file cannot be written.
    """
    paths = []
    for name, model in models.items():
        path = directory / name
        with Folder.make(path.parent, None, shared=True) as folder:
            folder.write_whole(path.name, render_schema(model))
        paths.append(path)
    return paths
