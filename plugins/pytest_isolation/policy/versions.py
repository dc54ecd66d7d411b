"""Compares versions as projects and distributions write them: "1.0.0-rc95", "20.10.24+dfsg1", "6.1.0-18-amd64".

In: texts.
Out: whether a version lies in a range such as ">=1.0.0-rc93,<1.1.12", whether it is a project's own release, and the
order of two Debian revisions.  Pure.
"""

from __future__ import annotations

import re
from itertools import zip_longest

_NUMBERS = r"[0-9]+(?:\.[0-9]+)*"
_EARLY = r"[-~.]?(?:alpha|beta|rc)[.-]?[0-9]+"  # "-rc95", "~rc93", "-rc.1", "-beta.0"
_VERSION = re.compile(rf"v?({_NUMBERS})({_EARLY})?")
_BOUND = re.compile(rf"(>=|<=|>|<|==|!=)\s*({_NUMBERS}(?:{_EARLY})?)")
_STAGES = ("alpha", "beta", "rc")
# suffixes of a project's own release: the commit of its tag (git-describe(1)), docker's edition
_OWN = re.compile(r"(?:-0-g[0-9a-f]{7,40})?|-[ce]e")

Key = tuple[tuple[int, ...], tuple[int, int]]


def is_range(text: str) -> bool:
    """Whether a text is a range: bounds joined by commas, all of which must be met."""
    return all(_BOUND.fullmatch(part.strip()) for part in text.split(","))


def is_version(text: str) -> bool:
    """Whether a text begins with a version that can be compared."""
    return _key(text) is not None


def in_range(version: str, wanted: str) -> bool:
    """Whether "20.10.24+dfsg1" lies in ">=20.10,<29"; only the numbers and "-rc1" count."""
    key = _key(version)
    return key is not None and all(_meets(key, part.strip()) for part in wanted.split(","))


def is_release(version: str) -> bool:
    """
    Whether it is a project's own release.

    Any other suffix means a third party's build, which may hold fixes that its number does not show (Debian's
    backports, a vendor's kernel).
    """
    match = _VERSION.match(version)
    return match is not None and _OWN.fullmatch(version, match.end()) is not None


def has_fix(version: str, fixed: str) -> bool | None:
    """
    Whether a Debian package is at or after another of the same upstream version; None if that is unknown.

    Args:
        version: "1.1.5+ds1-1+deb12u1", or as the program reports it: "7.2.22 (7.2+dfsg-7+deb12u18)".
        fixed: the first package that has a fix.
    """
    within = re.search(r"\(([^()]+)\)", version)
    mine, _, revision = (within[1] if within else version).partition(" ")[0].rpartition("-")
    upstream, _, wanted = fixed.rpartition("-")
    if not mine or mine != upstream:
        return None
    return compare_revisions(revision, wanted) >= 0


def compare_revisions(one: str, two: str) -> int:
    """
    Compare two Debian revisions as dpkg does (deb-version(7)).

    Texts without digits and numbers alternate; a tilde sorts before the end, letters before all else.

    Returns:
        A negative number, 0 or a positive number.
    """
    for left, right in zip_longest(_parts(one), _parts(two), fillvalue=("", 0)):
        if left != right:
            texts = tuple(map(_weights, (left[0], right[0])))
            return -1 if (texts[0], left[1]) < (texts[1], right[1]) else 1
    return 0


def _parts(text: str) -> list[tuple[str, int]]:
    return [(word, int(number or 0)) for word, number in re.findall(r"([^0-9]*)([0-9]*)", text) if word or number]


def _weights(text: str) -> list[int]:
    """The end of a text weighs 0."""
    return [-1 if letter == "~" else ord(letter) + (0 if letter.isalpha() else 256) for letter in text] + [0]


def _key(version: str) -> Key | None:
    match = _VERSION.match(version)
    if match is None:
        return None
    return tuple(int(part) for part in match[1].split(".")), _stage(match[2] or "")


def _stage(text: str) -> tuple[int, int]:
    """Return a key that sorts "-beta.1" before "-rc2" before "", the release."""
    found = re.search(r"(alpha|beta|rc)[.-]?([0-9]+)", text)
    return (_STAGES.index(found[1]), int(found[2])) if found else (len(_STAGES), 0)


def _meets(key: Key, bound: str) -> bool:
    match = _BOUND.fullmatch(bound)
    other = _key(match[2]) if match else None
    if match is None or other is None:
        return False
    width = max(len(key[0]), len(other[0]))
    left, right = ((numbers + (0,) * (width - len(numbers)), stage) for numbers, stage in (key, other))
    return {
        ">=": left >= right,
        "<=": left <= right,
        ">": left > right,
        "<": left < right,
        "==": left == right,
        "!=": left != right,
    }[match[1]]
