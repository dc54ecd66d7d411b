"""Links and paths in the Markdown pages point to what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TOP = "provisioner|plugins|roles|tests|script|docs"
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`|^ {4}.*$", re.S | re.M)
PATH = re.compile(rf"`((?:{TOP})/[^`\s]*)`")
PLACEHOLDER = re.compile(r"[A-Z]{2,}|[<>{*…]|^roles/web/")  # NAME, <name>, {a,b}, a pattern; roles.md's example
PAGE = re.compile(r"docs/(?:decisions|how-to|reference|explanation)/[a-z0-9/_.-]*[a-z0-9]")


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_resolve(page: Path) -> None:
    broken = []
    for link in LINK.findall(CODE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_in_the_text_exist(page: Path) -> None:
    paths = [path for path in PATH.findall(page.read_text("utf-8")) if not PLACEHOLDER.search(path)]
    missing = [path for path in paths if not (ROOT / path).exists()]

    assert missing == []


def test_sources_name_pages_that_exist() -> None:
    files = [file for top in ("provisioner", "plugins", "tests") for file in (ROOT / top).rglob("*.[pch]*")]
    named = {path for file in files if file.suffix in (".py", ".c", ".h") for path in PAGE.findall(file.read_text())}
    missing = sorted(path for path in named if not list(ROOT.glob(f"{path}*")))

    assert missing == []
