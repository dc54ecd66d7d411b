"""docs/reference/peers.md: the ids that it names are checks, and a peer's check without one has its reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_isolation.policy.expected import bundled_ids

PAGE = (Path(__file__).parents[2] / "docs/reference/peers.md").read_text("utf-8")
PEERS = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
AREAS = {name.split(".")[0] for name in bundled_ids()}
REASONS = set(re.findall(r"^\| ([a-zK][a-z' ]+) \|", PAGE.split("\n## ")[0], re.MULTILINE)) - {"reason"}


def rows(peer: str) -> list[tuple[str, str]]:
    found = re.findall(r"^\| (.+?) \| (.+) \|$", peer, re.MULTILINE)
    return [row for row in found if row[1] != "here"]


def test_every_id_is_a_check() -> None:
    named = {name for name in re.findall(r"`([a-z0-9_.]+)`", PAGE) if name.split(".")[0] in AREAS}

    assert named - bundled_ids() == set()
    assert len(named) > 50


@pytest.mark.parametrize("peer", PEERS, ids=[peer.split("\n")[0] for peer in PEERS])
def test_a_peers_check_has_one_of_ours_or_a_reason(peer: str) -> None:
    lacking = [row for row in rows(peer) if "`" not in row[1] and "— " not in row[1]]

    assert rows(peer)
    assert lacking == []
    assert re.search(r"at [0-9a-f]{7}", peer), "which commit was read?"


def test_each_reason_that_is_explained_is_given() -> None:
    given = {re.split("[:;]", text)[0].strip() for text in re.findall(r"— ([^|]+) \|", PAGE)}

    assert REASONS - given == set()
    assert len(REASONS) > 5
