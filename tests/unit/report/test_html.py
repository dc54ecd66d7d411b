"""pytest_isolation.report.html: the report as one HTML page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from sample_results import ROWS, sample

from provisioner.files.folder import Folder
from pytest_isolation.policy.verdict import Judgement, Verdict
from pytest_isolation.report.html import render_html, write_page
from pytest_isolation.results.model import Cell, Check, Results, Run

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        """Return all values of one attribute."""
        return [str(attrs[name]) for _, attrs in self.tags if name in attrs]


HOSTILE = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "javascript:alert(1)",
    "{{ 7*7 }}",
    "\x1b[31m\u202e\u200b\udcff",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_changes_no_tag(hostile: str) -> None:
    page, clean = Page(render_html(sample(hostile))), Page(render_html(sample("x")))

    assert [tag for tag, _ in clean.tags] == [tag for tag, _ in page.tags]
    assert [sorted(attrs) for _, attrs in clean.tags] == [sorted(attrs) for _, attrs in page.tags]
    assert not set(page.text) & set("\x1b\u202e\u200b\udcff")
    assert "49" not in page.text


def test_page_loads_nothing() -> None:
    page = Page(render_html(sample()))
    tags = {tag for tag, _ in page.tags}

    assert not tags & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert page.values("src") == []
    assert not re.search(r"url\(|@import", render_html(sample()))
    assert "default-src 'none'; style-src 'unsafe-inline'" in page.values("content")
    assert all(href.startswith(("#", "https://man7.org/")) for href in page.values("href"))


def test_only_https_references_become_links() -> None:
    refs = ("https://a.example/x", "http://a.example", "javascript:alert(1)", 'https://a.example/"x', "cgroups(7)")
    results = Results(
        checks=(Check(id="a.b", refs=refs),),
        cells=(Cell(check="a.b", target="t", verdict=Verdict.HOLDS, judgement=Judgement.OK),),
    )
    page = Page(render_html(results))

    assert [href for href in page.values("href") if not href.startswith("#")] == ["https://a.example/x"]
    assert all(ref in page.text for ref in refs)


def test_each_cell_has_a_link_that_leads_to_it() -> None:
    page = Page(render_html(sample()))
    ids = page.values("id")

    assert len(ids) == len(set(ids))
    assert {f"{check}/{target}" for check, row in ROWS.items() for target in row} <= set(ids)
    assert {unquote(href[1:]) for href in page.values("href") if href.startswith("#")} <= set(ids)


def test_table_is_accessible() -> None:
    page = Page(render_html(sample()))
    tags = [tag for tag, _ in page.tags]

    assert tags.count("caption") == 1
    assert {"col", "row", "rowgroup"} == set(page.values("scope"))
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    assert page.values("lang") == ["en"]


def test_cell_tells_reason_evidence_command_and_remedy() -> None:
    text = Page(render_html(sample())).text

    for part in (
        "shares the host's PID namespace",
        "namespaces.pid = 4026531836 (the host's own: 4026531836)",
        "docker exec NAME readlink /proc/1/ns/pid",
        "do not share the PID namespace: remove --pid=host",
        "lim.pids on unshare until 2027-03-01",
        "apt-get install podman",
    ):
        assert part in text


@pytest.mark.parametrize("started", [None, 0.0, 1e300, float("-inf")])
def test_empty_results_and_odd_times_give_a_page(started: float | None) -> None:
    assert "Nothing was observed" in Page(render_html(Results(run=Run(started=started)))).text


@pytest.mark.parametrize(
    ("part", "lead", "line"),
    [
        ({"moved": ("local: <b>",)}, "✗ The host changed during the run", "✗ changed outside: local: <b>"),
        ({"interrupted": ("1 of 2 checks judged",)}, "No findings so far", "interrupted: 1 of 2 checks judged"),
    ],
)
def test_a_run_that_was_disturbed_says_so_at_the_top(part: dict[str, tuple[str]], lead: str, line: str) -> None:
    for results in (sample(), Results()):
        disturbed = results.model_copy(update={"run": results.run.model_copy(update=part)})
        header = Page(render_html(disturbed)).text.partition("Checks and targets")[0]

        assert line in header
        assert results.cells or lead in header


def test_file_is_written_whole(tmp_path: Path) -> None:
    with Folder.open(tmp_path) as folder:
        write_page(sample("日本"), folder)

    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_text(encoding="utf-8").endswith("</html>")
