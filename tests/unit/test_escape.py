"""pytest_isolation.escape: no character of a sandbox moves, hides or reorders text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isolation.escape import escape, escape_block, is_harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\r\nb\tc", r"a\x0d\x0ab\x09c"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("a\u200bb\ufeffc", r"a\u200bb\ufeffc"),
        ("a\udcffb", r"a\udcffb"),
        ("\U000e0041", r"\U000e0041"),
        ("a\u2028b", r"a\u2028b"),
        ("ns.pid ✓ – “é” 日本 😀 \\x1b", "ns.pid ✓ – “é” 日本 😀 \\x1b"),
    ],
)
def test_hidden_characters_are_escaped(text: str, shown: str) -> None:
    assert shown == escape(text)


@given(st.text(st.characters(categories=None)))
def test_the_result_is_one_printable_line_and_is_not_escaped_again(text: str) -> None:
    shown = escape(text)

    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert not any(
        unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI") for c in shown
    )
    assert shown == escape(shown)
    shown.encode("utf-8")


def test_a_line_over_the_limit_ends_with_an_ellipsis() -> None:
    assert escape("abcdefgh", 4) == "abc…"
    assert escape("abcd", 4) == "abcd"


def test_a_block_keeps_lines_and_tabs_but_no_colours() -> None:
    assert escape_block("\x1b[31ma\x1b[0m\tb\nc\x1b]0;d\x07\r\u202e\n") == "a\tb\nc\\x1b]0;d\\x07\\x0d\\u202e\n"
    assert is_harmless("a\tb\n\nc ✓")
    assert not is_harmless("a\x1b[8mb")
