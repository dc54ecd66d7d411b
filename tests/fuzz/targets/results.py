"""results.json: read, merged, written again and drawn."""

from __future__ import annotations

import json

from sample_results import sample

from fuzz.inputs import Sample
from fuzz.targets import Target
from pytest_isolation.report.html import render_html
from pytest_isolation.report.spans import to_text
from pytest_isolation.report.terminal import draw
from pytest_isolation.results.merge import merge
from pytest_isolation.results.model import parse_results

SOUND = sample()


def samples() -> tuple[Sample, ...]:
    document = json.loads(SOUND.model_dump_json(by_alias=True))
    note = {
        **{"target": "docker", "known": "CVE-2024-21626", "title": "a leak", "component": "runc", "version": "1.1.5"},
        **{
            "standing": "in range",
            "range": "<1.1.12",
            "fixed": "1.1.12",
            "checks": ["ns.pid"],
            "sign": "x",
            "source": "y",
        },
    }
    beside = {"target": "pid:1", "fresh": "docker", "weaker": ["ns.pid"], "stronger": [], "compared": 3, "reason": ""}
    return (
        Sample("sample", document),
        Sample("notes", document | {"notes": [note], "beside": [beside, beside | {"reason": "no stock one"}]}),
    )


def read(data: bytes) -> None:
    results = parse_results(data, "fuzz")
    both = merge(results, SOUND)
    assert both == merge(SOUND, results)
    assert merge(both, both) == both
    assert parse_results(both.model_dump_json(by_alias=True).encode(), "merged") == both
    for each in (results, both):
        to_text(draw(each, 80, unicode=False))
        to_text(draw(each, 20))
        render_html(each)


TARGETS = (Target("results", samples, read),)
