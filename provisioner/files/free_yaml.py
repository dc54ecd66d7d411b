"""Reads YAML of another program's format: compose files, pods.

In: a path, or a text.  Out: the documents as plain maps and lists, with anchors resolved; or one IsolationError with
file and line.  The other program says what the keys mean; yaml.py reads this project's own files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest

MAX_BYTES = 1 << 20
ENDINGS = (".yaml", ".yml", ".json")


def read_free_yaml(path: Path) -> list[Any]:
    """
    Return the documents of a file.

    Args:
        path: the file; errors quote it as given.

    Raises:
        IsolationError: there is no such file (the hint names the nearest one beside it), or it is not YAML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise IsolationError(f"cannot read '{path}': no such file", _nearest_file(path)) from None
    except OSError as error:
        raise IsolationError(f"cannot read '{path}': {error.strerror}") from None
    return parse_free_yaml(data, str(path))


def parse_free_yaml(data: bytes, name: str) -> list[Any]:
    """
    Return the documents of a text.

    Args:
        data: at most 1 MiB.
        name: the name of the file, for errors.

    Raises:
        IsolationError: it is not YAML.
    """
    if len(data) > MAX_BYTES:
        raise IsolationError(f"cannot read '{name}': more than {MAX_BYTES >> 20} MiB")
    loader = YAML(typ="safe", pure=True)
    loader.allow_duplicate_keys = True
    try:
        return [document for document in loader.load_all(data.decode("utf-8")) if document is not None]
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise IsolationError(f"{name}:{line}: not UTF-8") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise IsolationError(f"{name}:{mark.line + 1 if mark else 1}: not YAML: {problem}") from None
    except (ValueError, RecursionError) as error:
        raise IsolationError(f"{name}:1: not YAML: {(str(error) or 'nested too deeply').splitlines()[0]}") from None


def _nearest_file(path: Path) -> str:
    """Return the hint that names the YAML file beside a path that is most similar to it."""
    try:
        names = [one.name for one in path.parent.iterdir() if one.suffix in ENDINGS]
    except OSError:
        return ""
    return suggest(path.name, names, f"there are: {', '.join(sorted(names)[:5])}" if names else "")
