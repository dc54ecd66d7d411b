"""What a stream can show: whether it takes Unicode, and the ASCII form of a text for one that does not.

In: an encoding's name or a text.  Out: a bool or a text.  Pure.
"""

from __future__ import annotations

ASCII_FORMS = {"✓": "+", "…": "...", "·": "-", "–": "-", "→": "->", "×": "x", "≥": ">="}


def takes_unicode(encoding: str | None) -> bool:
    """Whether a stream with this encoding shows all of Unicode."""
    return (encoding or "").lower().startswith("utf")


def to_ascii(text: str) -> str:
    """Return the text in ASCII: known signs by their ASCII form, other characters as backslash escapes."""
    for sign, form in ASCII_FORMS.items():
        text = text.replace(sign, form)
    return text.encode("ascii", "backslashreplace").decode()
