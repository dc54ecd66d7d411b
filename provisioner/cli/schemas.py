"""Names the models that `provisioner schemas` publishes as JSON Schemas, by path below the package."""

from __future__ import annotations

from pydantic import BaseModel

from provisioner.converge.role import role_model
from provisioner.doctor.finding import Report
from provisioner.facts.document import Facts
from provisioner.machines.lab import LabFile
from provisioner.runtimes.runtime import Runtime

MODELS: dict[str, type[BaseModel]] = {
    "probe/facts.schema.json": Facts,
    "schemas/runtime.schema.json": Runtime,
    "schemas/role.schema.json": role_model(),
    "schemas/lab.schema.json": LabFile,
    "schemas/doctor.schema.json": Report,
}
