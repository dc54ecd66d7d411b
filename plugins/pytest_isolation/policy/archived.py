"""The settings by which a run was judged, as they travel with its facts: facts/policy.

In: the policy and the checks of a run, or the file.
Out: a frozen `PolicyFile`.  It has no ending, so that facts/*.json are the records alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner.errors import IsolationError
from pytest_isolation.policy.accepted import States
from pytest_isolation.policy.expected import Expected
from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.waivers import Waiver

NAME = "policy"
MAX_BYTES = 1 << 20


class PolicyFile(BaseModel):
    """
    The settings of one run.

    Attributes:
        profile: the profile that had to hold, "" for none.
        waivers: the findings that were accepted.
        accepted: the accepted state of targets, by id.
        expected: the documented exceptions of the user's own checks, by runtime.
        checks: the checks of the bundled suite that ran; None if it ran as a whole.
        own: the ids of the user's own checks and tests that ran.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_: Literal[1] = Field(default=1, alias="schema")
    profile: str = ""
    waivers: tuple[Waiver, ...] = ()
    accepted: States = {}
    expected: dict[str, Expected] = {}
    checks: tuple[str, ...] | None = None
    own: tuple[str, ...] = ()


def dump_policy(policy: Policy, checks: Iterable[str] | None, own: Iterable[str]) -> bytes:
    """
    Return the file's content.

    Args:
        policy: how the run was judged.
        checks: the checks of the bundled suite that ran; None if it ran as a whole.
        own: the ids of the user's own checks and tests that ran.
    """
    file = PolicyFile(
        profile=str(policy.profile or ""),
        waivers=policy.waivers,
        accepted={target: dict(state) for target, state in policy.accepted.items()},
        expected=dict(policy.own),
        checks=None if checks is None else tuple(sorted(checks)),
        own=tuple(sorted(own)),
    )
    return file.model_dump_json(by_alias=True, exclude_defaults=True, indent=1).encode() + b"\n"


def load_policy(records: Iterable[Path]) -> PolicyFile:
    """
    Read the settings beside archived records; those of a run without settings where there are none.

    Args:
        records: the records' files.

    Raises:
        IsolationError: a file is wrong, or two runs were judged by different settings.
    """
    found = {read for folder in dict.fromkeys(path.parent for path in records) if (read := _read(folder / NAME))}
    if len(found) > 1:
        raise IsolationError(
            "cannot judge these records together: their runs had different settings",
            "name the settings, and add --ignore-settings",
        )
    return parse_policy(found.pop(), NAME) if found else PolicyFile()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise IsolationError(f"cannot read '{path}': {error.strerror}") from None


def parse_policy(data: bytes, name: str) -> PolicyFile:
    """
    Return the settings in a file.

    Args:
        data: its content.
        name: its name, for errors.

    Raises:
        IsolationError: it is no such file.
    """
    try:
        if len(data) > MAX_BYTES:
            raise IsolationError(f"cannot read '{name}': more than {MAX_BYTES >> 20} MiB")
        return PolicyFile.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise IsolationError(
            f"cannot read '{name}': {where}: {first['msg']}",
            "it is not of this version: run again with --isolation-report=DIR, or add --ignore-settings",
        ) from None
