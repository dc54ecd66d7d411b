"""Which plants a session tries, and that the cover of a push opens every check that any plant was seen to open."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import chosen
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
    known, seconds = json.loads(COVER.read_text()), json.loads(SECONDS.read_text())

    assert not_opened(PLANTS, seconds, known) == set()
    assert set(known) <= set(RUNTIMES)


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
    assert choose({"runc": list(MADE_UP)}, True, "few") == {"runc": [WIDE, ALIKE]}


def test_a_choice_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="'most': it must be all, few or cover"):
        choose({}, True, "most")


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object, object], None]:
    """Write files of seconds and of a cover in place of the committed ones."""

    def write(seconds: object, cover: object) -> None:
        for name, content in (("SECONDS", seconds), ("COVER", cover)):
            (tmp_path / name).write_text(json.dumps(content))
            monkeypatch.setattr(chosen, name, tmp_path / name)

    return write


ALL_SEEN = {"runc": {"wide": 9.0, "narrow": 1.0, "other": 1.0}, "crun": {"narrow": 0.5}}
BOTH = {"runc": list(MADE_UP), "crun": [NARROW, ALIKE]}


def test_the_cover_keeps_runcs_look_alikes_alone(measured: Callable[[object, object], None]) -> None:
    measured(ALL_SEEN, {"runc": ["wide"]})

    assert choose(BOTH, True, "cover") == {"runc": [WIDE, ALIKE], "crun": []}


def test_what_the_cover_leaves_on_this_host_is_opened_by_others(measured: Callable[[object, object], None]) -> None:
    measured(ALL_SEEN, {"runc": ["wide"]})

    here = {"runc": [NARROW, OTHER], "crun": [NARROW]}  # a host that cannot express `wide`
    assert choose(here, True, "cover") == {"runc": [OTHER], "crun": [NARROW]}


def test_a_plant_that_was_never_measured_is_tried(measured: Callable[[object, object], None]) -> None:
    measured({"runc": {"wide": 1.0, "narrow": 1.0}, "crun": {"narrow": 1.0}}, {"runc": ["wide"]})

    assert choose(BOTH, True, "cover") == {"runc": [WIDE, OTHER, ALIKE], "crun": []}
