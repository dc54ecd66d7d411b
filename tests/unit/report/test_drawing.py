"""pytest_isolation.report.drawing: the world of a target's networks."""

from __future__ import annotations

import pytest

from pytest_isolation.report.drawing import BOXES, HALF_HEIGHT, HALF_WIDTH, HEIGHT, TRIES, WIDTH, arrows
from pytest_isolation.results.model import Network, Reached
from pytest_isolation.walls.network import PLACES


def network(*reached: Reached) -> Network:
    return Network(target="docker", tries=len(reached), seconds=0.1, reached=reached)


@pytest.mark.parametrize(
    ("protocols", "flushed", "state", "words"),
    [
        (("tcp", "udp"), (), "reached", "tcp udp"),
        ((), ("tcp",), "flushed", "+tcp"),
        ((), (), "closed", "closed"),
        (("icmp",), ("tcp",), "reached", "icmp +tcp"),
    ],
)
def test_an_arrow_says_what_was_reached(
    protocols: tuple[str, ...], flushed: tuple[str, ...], state: str, words: str
) -> None:
    one = Reached(source="sandbox", target="other", service="open", protocols=protocols, flushed=flushed)

    (arrow,) = arrows(network(one))

    assert (arrow.state, arrow.title) == (state, f"sandbox to other: {words}")


def test_what_was_not_tried_has_no_arrow() -> None:
    assert arrows(network()) == []


def test_an_arrow_begins_and_ends_outside_the_centres() -> None:
    one = Reached(source="lan", target="sandbox", service="open")
    boxes = {box.name: box for box in BOXES}

    (arrow,) = arrows(network(one))

    assert boxes["sandbox"].x < arrow.x2 < arrow.x1 < boxes["lan"].x


def test_every_box_is_a_place_within_the_drawing() -> None:
    names = {box.name for box in BOXES}

    assert {place for _, places in TRIES for place in places} <= names <= set(PLACES)
    assert all(HALF_WIDTH <= box.x <= WIDTH - HALF_WIDTH for box in BOXES)
    assert all(HALF_HEIGHT <= box.y <= HEIGHT - HALF_HEIGHT for box in BOXES)
