"""Renders JSON Schemas of pydantic models, and writes them to files.

In: models by file name.  Out: the same text for the same model, so that a test can compare a file with its model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from provisioner.files.folder import Folder

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def render_schema(model: type[BaseModel]) -> str:
    """Return a model's schema as the text of a file."""
    schema: dict[str, Any] = {"$schema": DRAFT, **model.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


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
