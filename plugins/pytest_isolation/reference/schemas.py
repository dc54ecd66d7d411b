"""Publishes the JSON Schemas of the files that users write and read.

In: the pydantic models.  Out: schemas/*.schema.json beside this module.  Called by `isolation schemas` and by the
test that compares the files with the models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pytest_isolation.judge.documented_filter import Refusals
from pytest_isolation.policy.expected import Expected, OwnExpected
from pytest_isolation.policy.remedies import RemedyFile
from pytest_isolation.policy.waivers import WaiverFile
from pytest_isolation.results.known import KnownFile
from pytest_isolation.results.model import Results

DIRECTORY = Path(__file__).parents[1] / "schemas"
MODELS: dict[str, type[BaseModel]] = {
    "results": Results,
    "expected": Expected,
    "own_expected": OwnExpected,
    "remedies": RemedyFile,
    "seccomp": Refusals,
    "known": KnownFile,
    "waivers": WaiverFile,
}


def render_schemas() -> dict[str, str]:
    """Return the text of each schema by its file name."""
    return {f"{name}.schema.json": _render(model) for name, model in MODELS.items()}


def _render(model: type[BaseModel]) -> str:
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema.update(model.model_json_schema(by_alias=True))
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write_schemas(directory: Path = DIRECTORY) -> list[Path]:
    """Write the schemas; return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in render_schemas().items():
        path = directory / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
