"""Reads archived records: facts/<target>-<hash>.json.

In: bytes that a sandbox may have chosen parts of.
Out: a frozen `Record`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from provisioner.errors import IsolationError
from provisioner.observed import FactsError, check_json, first_fault
from pytest_isolation.records.kernels import settle
from pytest_isolation.records.record import Record

MAX_RECORD_BYTES = 16 << 20


def load_record(path: Path) -> Record:
    """
    Read an archived record.

    Raises:
        IsolationError: the file cannot be read, or is not a record.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECORD_BYTES + 1)
    except OSError as error:
        raise IsolationError(f"cannot read '{path}': {error.strerror}") from None
    return parse_record(data, str(path))


def parse_record(data: bytes, name: str) -> Record:
    """
    Parse an archived record; facts of another kernel than its sandbox's are removed.

    Args:
        data: the bytes.
        name: what an error calls them.

    Raises:
        IsolationError: the bytes are not a record.
    """
    try:
        check_json(data, f"record '{name}'", MAX_RECORD_BYTES)
        return settle(Record.model_validate_json(data))
    except FactsError as error:
        raise FactsError(error.what, hint="it should be a record: DIR/facts/*.json") from None
    except ValidationError as error:
        raise IsolationError(
            f"cannot read '{name}': {first_fault(error)}",
            hint="it is not a record of this version: run the suite again with --isolation-report=DIR",
        ) from None
