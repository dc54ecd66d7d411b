"""Draws results as one HTML file without scripts and external resources.

In: Results.  Out: the text of index.html.
Jinja2 escapes every value; escape.py first makes texts that may come from a sandbox visible.
Only `https:` references become links.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from provisioner.files.folder import Folder
from provisioner.limits.figures import show_overshoot
from pytest_isolation.escape import escape
from pytest_isolation.policy.verdict import Judgement
from pytest_isolation.report import drawing
from pytest_isolation.report.matrix import arrange, counted, documented, not_applicable, sign_at, totals, without_policy
from pytest_isolation.report.signs import SIGNS
from pytest_isolation.report.terminal import beside_text
from pytest_isolation.results.limits import limit_cells, show_amount
from pytest_isolation.results.model import Results
from pytest_isolation.results.networks import columns, rows_of
from pytest_isolation.results.notes import HEADING, lines_of, notes_on
from pytest_isolation.results.visible import visible_tables

PAGE = "index.html"
TEMPLATES = Path(__file__).parent / "templates"
_LINK = re.compile(r"https://[A-Za-z0-9.-]+(/[^\s\"'<>\\]*)?")


def render_html(results: Results) -> str:
    """Return the page: header, matrix, findings, documented cells, what was skipped."""
    matrix = arrange(results)
    signs = {sign_at(cell).word for row in matrix.rows for cell in row.cells}
    return _template().render(
        results=results,
        matrix=matrix,
        totals=totals(matrix),
        signs=[sign for sign in SIGNS if sign.word in signs],
        findings=results.findings(),
        checks={(check.id, check.version): check for check in results.checks},
        better=[cell for cell in results.cells if cell.judgement is Judgement.BETTER],
        limits=[cell for cell in limit_cells(results) if cell.figures],
        networks=[(network, rows_of(network), drawing.arrows(network)) for network in results.networks],
        network_columns=columns(),
        visible=list(visible_tables(results)),
        documented=documented(results),
        not_applicable=not_applicable(results),
        skipped=counted(results.skipped),
        unjudged=without_policy(results) if set(results.run.policies) <= {"as documented"} else [],
        notes=lines_of(results, len(results.notes)),
        notes_heading=HEADING,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(safe_text=_text, beside_text=beside_text, day=_day, is_link=_is_link)
    environment.globals.update(drawing=drawing)
    environment.globals.update(sign_at=sign_at, notes_on=notes_on, show_amount=show_amount, overshoot=show_overshoot)
    return environment.get_template("report.html.j2")


def write_page(results: Results, folder: Folder) -> None:
    """Write FOLDER/index.html whole or not at all."""
    folder.write_whole(PAGE, render_html(results))


def _text(value: object) -> str:
    return escape(str(value))


def _is_link(text: str) -> bool:
    return _LINK.fullmatch(text) is not None


def _day(seconds: float | None) -> str:
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return f"{seconds:g} s since 1970"
