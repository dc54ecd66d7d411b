"""Draws changes of samples, from a random number generator.

In: a generator and samples.  Out: a `Case`.  Hypothesis is not used: it needs several milliseconds for a case, and a
case of a few independent edits needs no search for a smaller one but to leave edits out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

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
WORDS = (
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
)
CHARACTERS = "az09AZ_-./: \t\n\0\x7f\x85\u2028é²\ud800\U0001f512"
CUTS = (0, 0, 1, 1, 2, 5, 40, 1 << 20)


def draw_case(random: Random, samples: tuple[Sample, ...]) -> Case:
    """Draw a sample with one to three edits, or with splices."""
    sample = random.choice(samples)
    if not sample.paths or random.random() < 0.1:
        return Case(sample.name, (), tuple(_splice(random) for _ in range(random.randint(1, 4))))
    edits = tuple(_edit(random, sample.paths) for _ in range(random.randint(1, 3)))
    return Case(sample.name, edits, (_splice(random),) if random.random() < 0.05 else ())


def smaller(case: Case) -> Iterator[Case]:
    """Yield the case without each of its edits and splices."""
    for index in range(len(case.edits)):
        yield replace(case, edits=case.edits[:index] + case.edits[index + 1 :])
    for index in range(len(case.splices)):
        yield replace(case, splices=case.splices[:index] + case.splices[index + 1 :])


def _edit(random: Random, paths: tuple[tuple[str | int, ...], ...]) -> Edit:
    path, verb = random.choice(paths), random.choice(VERBS)
    if verb in ("set", "add"):
        return Edit(verb, path, _value(random))
    if verb == "nudge":
        return Edit(verb, path, random.randint(0, 60))
    if verb == "rename":
        return Edit(verb, path, random.choice((random.choice(TEXTS), _text(random, 6))))
    if verb == "copy":
        return Edit(verb, path, random.choice(paths))
    return Edit(verb, path)


def _splice(random: Random) -> Splice:
    insert = random.choice(WORDS) if random.random() < 0.8 else random.randbytes(random.randint(0, 12))
    return Splice(random.randrange(1 << 20), random.choice(CUTS), insert)


def _value(random: Random) -> Any:
    match random.randrange(8):
        case 0 | 1 | 2 | 3:
            return _simple(random)
        case 4:
            return random.choice(CONTAINERS)
        case 5:
            return random.choice((1, -1)) * random.getrandbits(random.randint(1, 66))
        case 6:
            return _text(random, 12)
    items = [_simple(random) for _ in range(random.randint(0, 5))]
    return items if random.random() < 0.5 else {_text(random, 4): item for item in items}


def _simple(random: Random) -> Any:
    return random.choice(random.choice((NUMBERS, NUMBERS, TEXTS, TEXTS, (None, True, False))))


def _text(random: Random, longest: int) -> str:
    return "".join(random.choices(CHARACTERS, k=random.randint(0, longest)))
