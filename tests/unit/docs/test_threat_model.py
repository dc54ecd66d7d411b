"""docs/explanation/threat-model.md lists every module that changes files, and each of its tests exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/explanation/threat-model.md").read_text("utf-8")
CHANGES = re.compile(
    r"os\.(chown|chmod|unlink|rename|replace|rmdir|mkdir|symlink|link)\(|shutil\.(rmtree|move|copy\w*)\("
    r"|\.(chmod|unlink|rmdir|touch|symlink_to|hardlink_to|write_text|write_bytes|mkdir|rename)\("
    r"|writ(ing|e)_whole\(|umount2\("
)


def test_every_module_that_changes_files_is_listed() -> None:
    named = re.findall(r"`((?:provisioner|plugins)/[^`]+)`", PAGE)
    sources = [path for top in ("provisioner", "plugins") for path in (ROOT / top).rglob("*.py")]
    changing = [str(path.relative_to(ROOT)) for path in sources if CHANGES.search(path.read_text("utf-8"))]

    assert len(changing) > 30
    missing = [path for path in changing if not any(path == one or path.startswith(one) for one in named)]
    assert missing == [], "say in docs/explanation/threat-model.md who could write there, and what guards it"


def test_every_place_has_a_guard_and_a_test() -> None:
    rows = re.findall(r"^\| (`(?:provisioner|plugins)/.*)\|$", PAGE, re.M)

    assert len(rows) > 20
    for row in rows:
        cells = [cell.strip() for cell in row.split(" | ")]
        assert len(cells) == 4, row
        tests = re.findall(r"`(tests/[^`]+)`", cells[3])
        assert tests, row
        assert [name for name in tests if not (ROOT / name).exists()] == []
