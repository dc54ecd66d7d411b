"""The types and constants of the kind `service`: the wanted and present state of units.  Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

NAME = "service"
RANK = 50
DUE, RELOAD = "/run/pytest-isolation/restart", "/run/pytest-isolation/reload"
HELD = "held back until its files are written"
# systemd.unit(5), in its order of precedence
UNIT_FOLDERS = tuple(f"{top}/systemd/system" for top in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"))
# UnitFileState of units that are enabled, cannot be enabled, or are enabled by another unit (systemctl(1), is-enabled)
ENABLED = ("enabled", "static", "alias", "indirect", "generated", "transient")
UNMET = "inactive, its conditions do not hold here"  # systemd.unit(5): a start succeeds and does nothing
STARTED = ("active", "reloading", UNMET)
STOPPED = ("inactive", "absent", UNMET)  # not "failed": a failed unit leaves the machine "degraded"


class ServiceItem(BaseModel):
    """A unit in role.yaml; a property that is left out is not changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9:_.@-]+$")]
    state: Literal["started", "stopped"] | None = None
    enabled: bool | None = None
    restart_on: list[str] = []


@dataclass(frozen=True)
class WantedService:
    """The wanted state of a unit."""

    state: str | None = None
    enabled: bool | None = None
    restart_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class PresentService:
    """The present state of a unit; `due` and `reload` tell that an interrupted run owes a restart or a reload."""

    load: str
    active: str
    enabled: str
    due: bool = False
    reload: bool = False


@dataclass(frozen=True)
class Services:
    """The present state of all wanted units; `running` is False if systemd is not the machine's init."""

    units: Mapping[str, PresentService]
    running: bool = True


def unit_name(name: str) -> str:
    """Return the name with its suffix, as systemctl(1) completes it."""
    suffixes = ".service .socket .timer .path .mount .target .slice .scope .swap .automount .device"
    return name if name.endswith(tuple(suffixes.split())) else f"{name}.service"
