"""Draws the world of a target's networks: what its sandbox reaches, and who reaches it.

In: a `Network` of results.
Out: boxes and arrows with their places, which the page's template writes as SVG.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_isolation.results.model import Network
from pytest_isolation.results.networks import CLOSED, UNTRIED, came_to

WIDTH, HEIGHT = 760, 320
HALF_WIDTH, HALF_HEIGHT = 62, 20  # of a box
APART = 7  # between an arrow and the one that leads back


@dataclass(frozen=True)
class Box:
    """A member or a place of the world, with its centre."""

    name: str
    label: str
    x: int
    y: int


@dataclass(frozen=True)
class Arrow:
    """
    What one member reaches of a place.

    Attributes:
        x1, y1, x2, y2: its ends.
        state: "reached", "flushed" (only after the packet filter was cleared) or "closed".
        title: what a reader is told of it.
    """

    x1: int
    y1: int
    x2: int
    y2: int
    state: str
    title: str


BOXES = (
    Box("sandbox", "sandbox", 100, 110),
    Box("peer", "peer", 100, 250),
    Box("other", "other network", 260, 250),
    Box("none", "no network", 420, 250),
    Box("host", "host's addresses", 280, 60),
    Box("loopback", "host's loopback", 420, 110),
    Box("lan", "machine beside", 670, 60),
    Box("metadata", "cloud metadata", 670, 155),
    Box("far", "far machine", 670, 250),
)
# Who tries, and the places that it tries; of others the table tells
TRIES = (
    ("sandbox", ("peer", "other", "host", "loopback", "lan", "metadata", "far")),
    ("lan", ("sandbox",)),
    ("other", ("sandbox",)),
    ("none", ("loopback", "far")),
)


def arrows(network: Network) -> list[Arrow]:
    """Return the arrows of a drawing: none for what was not tried."""
    return list(_arrows(network))


def _arrows(network: Network) -> Iterator[Arrow]:
    boxes = {box.name: box for box in BOXES}
    for source, places in TRIES:
        for place in places:
            came = came_to(network, source, place)
            if came == UNTRIED:
                continue
            state = "closed" if came == CLOSED else "flushed" if came.startswith("+") else "reached"
            yield _between(boxes[source], boxes[place], state, f"{source} to {place}: {came}")


def _between(start: Box, end: Box, state: str, title: str) -> Arrow:
    """Return the arrow from the edge of a box to the edge of another, a little beside the line of their centres."""
    dx, dy = end.x - start.x, end.y - start.y
    length = max(1.0, (dx * dx + dy * dy) ** 0.5)
    aside_x, aside_y = -dy / length * APART, dx / length * APART
    inside = min(HALF_WIDTH / abs(dx) if dx else 1.0, HALF_HEIGHT / abs(dy) if dy else 1.0)
    return Arrow(
        round(start.x + dx * inside + aside_x),
        round(start.y + dy * inside + aside_y),
        round(end.x - dx * inside + aside_x),
        round(end.y - dy * inside + aside_y),
        state,
        title,
    )
