"""Units: as a role wants them, as they are, and how they are called.

In: nothing.  Out: the kind's own types and words.  Pure data.
"""

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
# UnitFileState of units that have no switch of their own or are switched on by another one (systemctl(1), is-enabled)
ENABLED = ("enabled", "static", "alias", "indirect", "generated", "transient")
UNMET = "inactive, its conditions do not hold here"  # systemd.unit(5): to start it succeeds and does nothing
STARTED = ("active", "reloading", UNMET)
STOPPED = ("inactive", "absent", UNMET)  # one that failed is mended too: it would leave the machine "degraded"


class ServiceItem(BaseModel):
    """A unit as role.yaml has it; what is left out stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9:_.@-]+$")]
    state: Literal["started", "stopped"] | None = None
    enabled: bool | None = None
    restart_on: list[str] = []


@dataclass(frozen=True)
class WantedService:
    """A unit as it must be."""

    state: str | None = None
    enabled: bool | None = None
    restart_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class PresentService:
    """A unit as it is; `due` and `reload` when a run ended before it could restart it, or have its file read again."""

    load: str
    active: str
    enabled: str
    due: bool = False
    reload: bool = False


@dataclass(frozen=True)
class Services:
    """All units asked for; `running` is False where systemd is not the machine's init."""

    units: Mapping[str, PresentService]
    running: bool = True


def unit_name(name: str) -> str:
    """Return the name with its suffix, as systemctl(1) completes it."""
    suffixes = ".service .socket .timer .path .mount .target .slice .scope .swap .automount .device"
    return name if name.endswith(tuple(suffixes.split())) else f"{name}.service"
