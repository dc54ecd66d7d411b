"""Reads a project's targets, waivers and accepted state: isolation.yaml, [tool.pytest-isolation] of pyproject.toml.

In: the two paths and today's date (UTC).
Out: one frozen `IsolationFile`.  Starts nothing, judges nothing.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from provisioner.errors import IsolationError
from provisioner.files.toml import load_table
from provisioner.files.yaml import load_yaml
from pytest_isolation.policy.accepted import States
from pytest_isolation.policy.waivers import Waiver, check_days

TABLE = "pytest-isolation"
TargetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
CommandText = Annotated[str, StringConstraints(min_length=1, max_length=8192)]


class TargetSpec(BaseModel):
    """One sandbox of the project, and how it is started: one of the keys run, image, compose, pod."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    run: CommandText | None = Field(default=None, description="the command line that starts it, as for --isolation-run")
    image: CommandText | None = Field(
        default=None, description="the image that each engine here starts, as for --isolation-image"
    )

    compose: CommandText | None = Field(
        default=None, description="the compose file that declares it, as for --isolation-compose"
    )
    service: CommandText | None = Field(default=None, description="with `compose`: the service")
    pod: CommandText | None = Field(
        default=None, description="the file of the Kubernetes pod that declares it, as for --isolation-pod"
    )
    container: CommandText | None = Field(default=None, description="with `pod`: the container")

    @model_validator(mode="after")
    def _is_one(self) -> TargetSpec:
        if sum(value is not None for value in (self.run, self.image, self.compose, self.pod)) != 1:
            raise ValueError("should have one of these keys: run, image, compose, pod")
        for key, owner in (("service", "compose"), ("container", "pod")):
            if getattr(self, key) is not None and getattr(self, owner) is None:
                raise ValueError(f"has {key} without {owner}")
        return self


class IsolationFile(BaseModel):
    """The file isolation.yaml, or the table [tool.pytest-isolation] of pyproject.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="isolation.yaml")
    targets: dict[TargetName, TargetSpec] = Field(
        default={}, description="the project's sandboxes by name; `web` is the column run:web"
    )
    waivers: list[Waiver] = Field(default=[], description="findings that are accepted until a day")
    accepted: States = Field(
        default={}, description="the accepted state of targets by their ids, run:web; `isolation init` writes it"
    )


def load_isolation_file(path: Path | None, pyproject: Path | None = None, today: date | None = None) -> IsolationFile:
    """
    Read a project's targets and waivers.

    Args:
        path: isolation.yaml, or None if there is none.
        pyproject: pyproject.toml, or None if there is none.
        today: the day that waivers are counted from; None: today in UTC.

    Raises:
        IsolationError: a file is wrong; both name one target; a waiver lasts more than a year.
    """
    main = load_yaml(path, IsolationFile) if path else IsolationFile()
    table = load_table(pyproject, TABLE, IsolationFile) if pyproject else None
    check_days(main.waivers, str(path), today)
    if table is None:
        return main
    check_days(table.waivers, str(pyproject), today)
    for name in [*table.targets, *table.accepted]:
        if name in main.targets or name in main.accepted:
            raise IsolationError(f"the target '{name}' stands in {path} and in {pyproject}", "rename or delete one")
    return IsolationFile(
        targets={**main.targets, **table.targets},
        waivers=[*main.waivers, *table.waivers],
        accepted={**main.accepted, **table.accepted},
    )
