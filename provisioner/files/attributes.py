"""Reads what the docstring of a model says about each of its keys: the section `Attributes:`.

In: a docstring.  Out: its first part, and a text for each key.
"""

from __future__ import annotations

import inspect
import re

_KEY = re.compile(r"(\w+): (.*)")


def read_attributes(docstring: str) -> tuple[str, dict[str, str]]:
    """
    Return a docstring without its section `Attributes:`, and the text of each attribute as one line.

    Args:
        docstring: indented as in the source, or not at all.

    Example:
        >>> read_attributes("A box.\\n\\nAttributes:\\n    name: its name,\\n        in one word.")
        ('A box.', {'name': 'its name, in one word.'})
    """
    about, _, section = inspect.cleandoc(docstring).partition("\nAttributes:\n")
    texts: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        new = _KEY.fullmatch(line.removeprefix("    "))
        if new:
            name = new[1]
            texts[name] = new[2]
        elif name and line.startswith("        "):
            texts[name] += f" {line.strip()}"
        elif line.strip():
            name = ""
    return about.strip(), texts
