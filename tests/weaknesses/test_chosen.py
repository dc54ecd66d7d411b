"""Which plants a session tries, and that the cover of a push opens every check that any plant was seen to open."""

from __future__ import annotations

import json

import pytest
from chosen import COVER, RUNTIMES, SECONDS, choose, cover, not_opened
from plant import Plant
from plants import PLANTS

WIDE = Plant("wide", ("runc",), {"a": "", "b": "", "c": ""})
NARROW = Plant("narrow", ("runc", "crun"), {"a": ""})
OTHER = Plant("other", ("runc",), {"b": "", "c": ""})
ALIKE = Plant("a look-alike", ("runc", "crun"))
MADE_UP = (WIDE, NARROW, OTHER, ALIKE)


def test_the_cover_opens_every_check_that_plants_were_seen_to_open() -> None:
    chosen, seconds = json.loads(COVER.read_text()), json.loads(SECONDS.read_text())

    assert not_opened(PLANTS, seconds, chosen) == set()
    assert set(chosen) <= set(RUNTIMES)


def test_the_cover_is_the_one_that_is_computed_from_what_was_seen() -> None:
    assert json.loads(COVER.read_text()) == cover(PLANTS, json.loads(SECONDS.read_text())), "run script/reference"


def test_the_cover_takes_the_cheapest_that_together_open_all() -> None:
    cheap = {"runc": {"wide": 9.0, "narrow": 1.0, "other": 1.0}, "crun": {"narrow": 0.5}}

    assert cover(MADE_UP, cheap) == {"crun": ["narrow"], "runc": ["other"]}
    assert cover(MADE_UP, {"runc": {"wide": 1.0, "narrow": 1.0, "other": 1.0}}) == {"runc": ["wide"]}


def test_the_cover_leaves_out_what_others_made_superfluous() -> None:
    plants = (
        Plant("first", ("runc",), dict.fromkeys("abcd", "")),
        Plant("left", ("runc",), dict.fromkeys("abe", "")),
        Plant("right", ("runc",), dict.fromkeys("cdf", "")),
    )

    assert cover(plants, {"runc": dict.fromkeys(("first", "left", "right"), 1.0)}) == {"runc": ["left", "right"]}


def test_the_cover_has_only_plants_that_were_seen() -> None:
    assert cover(MADE_UP, {"runc": {"narrow": 5.0}}) == {"runc": ["narrow"]}


def test_a_cover_that_lacks_a_check_is_seen() -> None:
    seconds = {"runc": {"wide": 1.0, "narrow": 1.0}}

    assert not_opened(MADE_UP, seconds, {"runc": ["narrow"]}) == {"b", "c"}


def test_few_opens_each_check_once_and_keeps_look_alikes() -> None:
    assert choose(list(MADE_UP), "runc", True, "few") == [WIDE, ALIKE]


def test_a_choice_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="'most': it must be all, few or cover"):
        choose([], "runc", True, "most")


def test_the_cover_keeps_runcs_look_alikes_alone() -> None:
    assert choose(list(MADE_UP), "runc", True, "cover") == [ALIKE]
    assert choose(list(MADE_UP), "crun", True, "cover") == []
