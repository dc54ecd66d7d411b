"""Publishes the JSON Schemas of the probe's facts, of runtime.yaml, role.yaml, lab.yaml and doctor's report.

In: the pydantic models.  Out: probe/facts.schema.json and schemas/*.schema.json.  Called by `provisioner schemas`
and by the test that compares the files with the models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from provisioner.converge.role import role_model
from provisioner.doctor.finding import Report
from provisioner.facts.document import Facts
from provisioner.machines.lab import LabFile
from provisioner.paths import PACKAGE
from provisioner.runtimes.runtime import Runtime

MODELS: dict[str, type[BaseModel]] = {
    "probe/facts.schema.json": Facts,
    "schemas/runtime.schema.json": Runtime,
    "schemas/role.schema.json": role_model(),
    "schemas/lab.schema.json": LabFile,
    "schemas/doctor.schema.json": Report,
}


def render_schemas() -> dict[str, str]:
    """Return the text of each schema by its path below the package."""
    return {name: _render(model) for name, model in MODELS.items()}


def _render(model: type[BaseModel]) -> str:
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema.update(model.model_json_schema(by_alias=True))
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write_schemas(directory: Path = PACKAGE) -> list[Path]:
    """Write the schemas below a folder; return their paths."""
    paths = []
    for name, text in render_schemas().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
