"""docs/reference/other-tools.md names checks that exist, and gives a reason where there is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_isolation.policy.expected import bundled_ids

PAGE = (Path(__file__).parents[3] / "docs/reference/other-tools.md").read_text("utf-8")
TOOLS = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
AREAS = {name.split(".")[0] for name in bundled_ids()}
REASONS = set(re.findall(r"^\| ([a-zK][a-z ]+) \|", PAGE.split("\n## ")[0], re.MULTILINE)) - {"reason"}


def rows(tool: str) -> list[tuple[str, str]]:
    found = re.findall(r"^\| (.+?) \| (.+) \|$", tool, re.MULTILINE)
    return [row for row in found if row[1] != "here"]


def test_every_id_is_a_check() -> None:
    named = {name for name in re.findall(r"`([a-z0-9_.]+)`", PAGE) if name.split(".")[0] in AREAS}

    assert named - bundled_ids() == set()
    assert len(named) > 50


@pytest.mark.parametrize("tool", TOOLS, ids=[tool.split("\n")[0] for tool in TOOLS])
def test_each_check_of_a_tool_has_a_check_here_or_a_reason(tool: str) -> None:
    missing = [row for row in rows(tool) if "`" not in row[1] and "— " not in row[1]]

    assert rows(tool)
    assert missing == []
    assert re.search(r"at [0-9a-f]{7}", tool), "which commit was read?"


def test_each_explained_reason_is_used() -> None:
    used = {re.split("[:;]", text)[0].strip() for text in re.findall(r"— ([^|]+) \|", PAGE)}

    assert REASONS - used == set()
    assert len(REASONS) > 5
