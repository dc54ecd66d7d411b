r"""Makes text that came from a sandbox safe to show on a terminal.

In: any string.
Out: one line.  Characters that move the cursor, hide or reorder text are replaced by \x1b or \u202e.  A backslash
stays as it is, so the result is for reading and cannot be decoded.  HTML needs its own escaping in addition.
"""

from __future__ import annotations

import re

# C0, DEL and C1; soft hyphen; zero width and marks; line and paragraph separators; bidi embeddings and isolates;
# invisible operators; byte order mark and interlinear annotations; tags; lone surrogates.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)

_COLOUR = re.compile("\x1b\\[[0-9;]*m")


def escape(text: str, limit: int = 0) -> str:
    """
    Return the text as one harmless line.

    Args:
        text: any text.
        limit: the most characters of the line, the last one an ellipsis if it was cut; 0 for no limit.
    """
    shown = _HIDDEN.sub(_spell, text)
    return shown if not limit or len(shown) <= limit else shown[: max(limit - 1, 0)] + "…"


def escape_block(text: str) -> str:
    """Return text of several harmless lines; newlines and tabs stay, colours are removed."""
    lines = _COLOUR.sub("", text).split("\n")
    return "\n".join("\t".join(escape(part) for part in line.split("\t")) for line in lines)


def is_harmless(text: str) -> bool:
    """Whether `escape_block` would return the text unchanged."""
    return escape_block(text) == text


def _spell(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
