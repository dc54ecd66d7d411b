"""Refuses what YAML 1.1 and 1.2 read differently, in a file that Ruby reads as well.

In: a file's bytes.  Out: nothing, or one IsolationError with file and line.  Called by lab.py: Vagrant's Ruby (Psych)
reads YAML 1.1, we read 1.2, and `on`, `010` and `12:30` would mean one thing here and another there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from provisioner.errors import IsolationError

# Psych's own readings beside YAML 1.1's (lib/psych/scalar_scanner.rb): :name is a Symbol and a date a Date, both of
# which safe_load refuses; 12:30 is a number; "_" and "," part digits; an exponent needs a point and a sign; tRue is
# true.  y and n are YAML 1.1's, not Psych's.
ODD = re.compile(
    r":\S.*"
    r"|[-+]?\d[\d_]*(:[0-5]?\d)+(\.\d*)?"
    r"|\d{4}-\d\d?-\d\d?.*"
    r"|[-+]?[\d.][\d_,.]*[_,][\d_,.]*"
    r"|[-+]?[\d.]+[eE][-+]?\d+"
    r"|(?!(true|True|TRUE|false|False|FALSE|null|Null|NULL)$)(?i:true|false|null)"
    r"|[yYnN]"
)
WORD = re.compile(r"on|off|yes|no|y|n", re.IGNORECASE)


def check_dialects(data: bytes, name: str) -> None:
    """
    Refuse each unquoted value that is not the same in both versions of YAML.

    Args:
        data: the file's bytes; what is no YAML at all passes, for the strict reader to say so.
        name: the file, as it stands in errors.
    """
    try:
        text = data.decode("utf-8")
        new, old = _scalars(text, (1, 2)), _scalars(text, (1, 1))
    except (UnicodeDecodeError, YAMLError, RecursionError, ValueError):
        return
    for one, other in zip(new, old, strict=False):
        if one.style is None and (ODD.fullmatch(one.value) or _differ(one, other)):
            mend = "write true or false, or put it in quotes" if WORD.fullmatch(one.value) else "put it in quotes"
            line = one.start_mark.line + 1
            raise IsolationError(f"{name}:{line}: '{one.value}' is read differently by YAML 1.1 and 1.2", hint=mend)


def _scalars(text: str, version: tuple[int, int]) -> list[ScalarNode]:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    return list(_walk(yaml.compose(text)))


def _walk(node: Node | None) -> Iterator[ScalarNode]:
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _walk(item)
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            yield from _walk(key)
            yield from _walk(value)


def _differ(new: ScalarNode, old: ScalarNode) -> bool:
    if str(new.tag) != str(old.tag):
        return True
    # the same kind, another value: 010 is ten in YAML 1.2 and eight in 1.1
    return str(new.tag) == "tag:yaml.org,2002:int" and _number(new.value, 1.2) != _number(old.value, 1.1)


def _number(text: str, version: float) -> Any:
    digits = text.replace("_", "").lstrip("+-")
    if version < 1.2 and re.fullmatch(r"0[0-7]+", digits):
        return int(digits, 8)
    return int(digits) if digits.isdigit() else digits.lower()
