"""The changes of samples that hypothesis draws."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fuzz.inputs import Case, Edit, Sample, Splice

NUMBERS = (
    *(0, 1, -1, 2, 3, 4, 255, 256, 4096, 65535, 65536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32),
    *((1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, -(1 << 63), -(1 << 63) - 1, 10**300),
    *(0.5, -0.0, 1e308, 5e-324, "raw:1e999", "raw:-1e999", "raw:NaN", "raw:Infinity", "raw:-Infinity"),
    *("raw*5000:9", "raw:0e99999999", "raw:01", "raw:+1", "raw:0x10", "raw:1_000", "raw:.5"),
)
TEXTS = (
    *("", " ", "\n", "\0", "\x1b[31m", "\u202e", "\ud800", 'raw:"\\ud800"', "é", "\U0001f512", "²", "٣", "raw*5000:x"),
    *(
        "0",
        "-1",
        "1",
        "9" * 400,
        "9" * 5000,
        "1e9",
        "nan",
        "inf",
        "true",
        "null",
        "ok",
        "EPERM",
        "E",
        "SIGSYS",
        "timeout",
    ),
    *("/", "//", "/..", "..", "../../etc/passwd", "/proc/self/mem", "net:[1]", "a/b", "x" * 300, "/" + "x" * 5000),
    *("shared:", "shared:x", "shared:99999999999999999999", "master:1", "0-", "-3", "0-3,8", "3-0", "0-99999999999"),
    *(
        "0-1,",
        ",",
        "(enforce)",
        " (",
        "a (enforce)",
        "a:b",
        "a:b:c",
        "::::",
        "unconfined",
        "c 1:3 rwm",
        "a *:* rwm",
        "c",
    ),
    *(
        "1.0.0-rc95",
        "1.",
        "v",
        ">=1,<2",
        ">=",
        "1-1",
        "-",
        "(1)",
        "[",
        "(a+)+$",
        "*",
        "docker*",
        "{{ 1 }}",
        "{{ x",
        "{% if %}",
    ),
    *("2026-01-01", "9999-12-31", "0001-01-01", "&a", "*a", "!!python/object:os.system", "<<", "\ufeff", "\u2028", "#"),
    *("AAAA", "BgAAAAAA/38=", "BQAAAAcAAAA=", "IAAAAAAAAAA=", "json:/", "json:/0/x", "json:"),
)
CONTAINERS: tuple[Any, ...] = (
    *([], {}, [[]], [None], {"": None}, [{}], {"unobserved": "EPERM", "why": "x"}, {"unobserved": 3, "why": "x"}),
    *("raw*200:[", 'raw*17:{"a":', "raw:", "raw:}", "raw:]"),
    *(list(range(70)), [0] * 300, ["x"] * 300, {str(number): number for number in range(70)}),
)
SIMPLE = st.sampled_from((None, True, False)) | st.sampled_from(NUMBERS) | st.sampled_from(TEXTS)
VALUES = (
    SIMPLE
    | st.sampled_from(CONTAINERS)
    | st.integers(-(1 << 66), 1 << 66)
    | st.text(max_size=12)
    | st.lists(SIMPLE, max_size=5)
    | st.dictionaries(st.text(max_size=4), SIMPLE, max_size=3)
)
VERBS = (
    "set",
    "set",
    "set",
    "nudge",
    "nudge",
    "nudge",
    "copy",
    "copy",
    "drop",
    "twice",
    "empty",
    "cut",
    "add",
    "rename",
)
WORDS = st.sampled_from(
    [
        *(
            b"",
            b"\0",
            b"\n",
            b"\t",
            b" ",
            b"\xff",
            b"\xc3",
            b"\xed\xa0\x80",
            b"\xef\xbb\xbf",
            b"\x1b[2J",
            b"\r",
            b"\x85",
        ),
        *(
            b"{",
            b"}",
            b"[",
            b"]",
            b":",
            b",",
            b'"',
            b"'",
            b"-",
            b"- ",
            b"? ",
            b"#",
            b"|",
            b">",
            b"&a ",
            b"*a",
            b"!!set ",
        ),
        *(
            b"[" * 200,
            b"{" * 50,
            b"- " * 200,
            b"<<: ",
            b"---\n",
            b"...\n",
            b"%YAML 1.1\n",
            b"9" * 5000,
            b"NaN",
            b"1e999",
        ),
        *(
            b"null",
            b"true",
            b"~",
            b"yes",
            b"2026-01-01",
            b"0o17",
            b"0x1F",
            b".inf",
            b"\\ud800",
            b"\\u0000",
            b"\\x",
            b"\\",
        ),
    ]
) | st.binary(max_size=12)
SPLICES = st.builds(Splice, st.integers(0, 1 << 20), st.sampled_from((0, 0, 1, 1, 2, 5, 40, 1 << 20)), WORDS)


@st.composite
def cases(draw: st.DrawFn, samples: tuple[Sample, ...]) -> Case:
    """Draw a sample with one to three edits, or with splices."""
    sample = draw(st.sampled_from(samples))
    if not sample.paths or draw(st.integers(0, 9)) == 9:
        return Case(sample.name, (), tuple(draw(st.lists(SPLICES, min_size=1, max_size=4))))
    edits = tuple(draw(st.lists(_edits(sample), min_size=1, max_size=3)))
    return Case(
        sample.name, edits, tuple(draw(st.lists(SPLICES, max_size=1))) if draw(st.integers(0, 19)) == 19 else ()
    )


@st.composite
def _edits(draw: st.DrawFn, sample: Sample) -> Edit:
    path = draw(st.sampled_from(sample.paths))
    verb = draw(st.sampled_from(VERBS))
    if verb in ("set", "add"):
        return Edit(verb, path, draw(VALUES))
    if verb == "nudge":
        return Edit(verb, path, draw(st.integers(0, 60)))
    if verb == "rename":
        return Edit(verb, path, draw(st.sampled_from(TEXTS) | st.text(max_size=6)))
    if verb == "copy":
        return Edit(verb, path, draw(st.sampled_from(sample.paths)))
    return Edit(verb, path)
