"""Lines of spans, each a text and pytest's markup, and how a stream takes them.

In: what terminal.py draws.  Out: the same, written to a stream or as text.  Pure but for the writing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_isolation.escape import escape
from pytest_isolation.report.finding import MAX_LINE
from pytest_isolation.report.signs import Sign

Span = tuple[str, Mapping[str, bool]]
Line = list[Span]
PLAIN: Mapping[str, bool] = {}
BOLD: Mapping[str, bool] = {"bold": True}
DIM: Mapping[str, bool] = {"light": True}


class Writer(Protocol):
    """What `write_lines` needs of pytest's TerminalWriter: a text and its markup, whatever the argument's name."""

    def write(self, *args: Any, **markup: Any) -> None: ...

    def line(self, *args: Any, **markup: Any) -> None: ...


@dataclass(frozen=True)
class Style:
    """How this stream is drawn to."""

    width: int
    unicode: bool

    def mark(self, sign: Sign) -> str:
        return sign.mark if self.unicode else sign.plain

    def text(self, text: str, limit: int = 0) -> str:
        """Escape and cut; where the stream is ASCII, what is not is spelled out."""
        shown = escape(text)
        if not self.unicode:
            for fancy, plain in (("✓", "+"), ("–", "-"), ("…", "..."), ("×", "x"), ("→", "->"), ("≥", ">=")):
                shown = shown.replace(fancy, plain)
            shown = shown.encode("ascii", "backslashreplace").decode()
        if limit and len(shown) > limit:
            dots = "…" if self.unicode else "..."
            shown = shown[: max(limit - len(dots), 0)] + dots if limit > len(dots) else shown[:limit]
        return shown

    def line(self, text: str, markup: Mapping[str, bool] = PLAIN) -> Line:
        """Return one line; the terminal wraps what is longer: a command or a reason that is cut helps nobody."""
        return [(self.text(text, MAX_LINE), markup)]


def takes_unicode(encoding: str | None) -> bool:
    """Whether a stream of that encoding can show the signs."""
    return (encoding or "").lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig", "utf16", "utf32")


def write_lines(writer: Writer, lines: Iterable[Line]) -> None:
    """Write lines to pytest's terminal; it drops the markup where there is no colour."""
    for line in lines:
        for text, markup in line:
            writer.write(text, **markup)
        writer.line()


def to_text(lines: Iterable[Line]) -> str:
    """Return the lines without markup."""
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)
