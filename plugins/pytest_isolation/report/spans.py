"""Lines of spans, each a text with pytest's markup, and writing them to a stream.

In: what terminal.py draws.  Out: the same, written to a stream or as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from provisioner.terminal import to_ascii
from pytest_isolation.escape import escape
from pytest_isolation.report.finding import MAX_LINE
from pytest_isolation.report.signs import Sign

Span = tuple[str, Mapping[str, bool]]
Line = list[Span]
PLAIN: Mapping[str, bool] = {}
BOLD: Mapping[str, bool] = {"bold": True}
DIM: Mapping[str, bool] = {"light": True}


class Writer(Protocol):
    """The part of pytest's TerminalWriter that `write_lines` uses; the names of the arguments do not matter."""

    def write(self, *args: Any, **markup: Any) -> None: ...

    def line(self, *args: Any, **markup: Any) -> None: ...


@dataclass(frozen=True)
class Style:
    """
    How a stream is drawn to.

    Attributes:
        width: in characters.
        unicode: whether it takes Unicode; otherwise texts are ASCII.
    """

    width: int
    unicode: bool

    def mark(self, sign: Sign) -> str:
        """Return a sign's character for this stream."""
        return sign.mark if self.unicode else sign.plain

    def text(self, text: str, limit: int = 0) -> str:
        """Escape a text and cut it to `limit` characters; on an ASCII stream, write it in ASCII."""
        shown = escape(text)
        if not self.unicode:
            shown = to_ascii(shown)
        if limit and len(shown) > limit:
            dots = "…" if self.unicode else "..."
            shown = shown[: max(limit - len(dots), 0)] + dots if limit > len(dots) else shown[:limit]
        return shown

    def line(self, text: str, markup: Mapping[str, bool] = PLAIN) -> Line:
        """Return one line; the terminal wraps a longer one, so that commands and reasons stay whole."""
        return [(self.text(text, MAX_LINE), markup)]


def write_lines(writer: Writer, lines: Iterable[Line]) -> None:
    """Write lines to pytest's terminal; it drops the markup if there is no colour."""
    for line in lines:
        for text, markup in line:
            writer.write(text, **markup)
        writer.line()


def to_text(lines: Iterable[Line]) -> str:
    """Return the lines without markup."""
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)
