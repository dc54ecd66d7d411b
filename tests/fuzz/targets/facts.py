"""The probe's answers, archived records with all that follows from them, and image archives."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from functools import cache
from pathlib import Path

from fuzz.inputs import Sample
from fuzz.targets import Target
from provisioner.facts.document import parse_facts
from provisioner.facts.image import parse_image, read_archive
from pytest_isolation.escape import escape
from pytest_isolation.judge.filters import filter_table
from pytest_isolation.judge.judge import judge_records
from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.verdict import Verdict
from pytest_isolation.records.read import parse_record
from pytest_isolation.records.record import dump_record
from pytest_isolation.report.html import render_html
from pytest_isolation.report.terminal import draw
from pytest_isolation.session.inputs import read_policy

sys.path.insert(0, str(Path(__file__).parents[2] / "weaknesses"))
from facts_factory import SOUND

# what a check may end in without a verdict: another exception's name begins the reason
FAULTS = ("Error:", "Exception:", "Warning:")


def records() -> tuple[Sample, ...]:
    return tuple(Sample(name, make()) for name, (make, _) in SOUND.items())


def documents() -> tuple[Sample, ...]:
    views = ("host", "inside", "outside", "vmm")
    return tuple(
        Sample(f"{one.name}-{view}", one.document[view]) for one in records() for view in views if one.document[view]
    )


def images() -> tuple[Sample, ...]:
    image = SOUND["container"][0]()["image"]
    return (Sample("rootfs", {"schema": 1, "nonce": "n", "image": image}),)


@cache
def policy() -> Policy:
    return read_policy("restricted@1")


def judge(data: bytes) -> None:
    """Do what `isolation judge`, its reports and `isolation filter` do with a record."""
    record = parse_record(data, "fuzz")
    assert parse_record(dump_record(record), "dumped") == record
    results = judge_records([record], policy())
    for cell in results.cells:
        word = cell.reason.partition(" ")[0]
        assert cell.verdict is not Verdict.UNKNOWN or not word.endswith(FAULTS), f"{cell.check}: {cell.reason}"
    list(draw(results, 80))
    render_html(results)
    for line in filter_table(record):
        escape(line)


def archives() -> tuple[Sample, ...]:
    def packed(members: dict[str, bytes | str]) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                if isinstance(content, str):
                    member.type, member.linkname = tarfile.SYMTYPE, content
                    archive.addfile(member)
                else:
                    member.size, member.mode = len(content), 0o4755
                    archive.addfile(member, io.BytesIO(content))
        return stream.getvalue()

    layer = packed(
        {"etc/passwd": b"root:x:0:0::/:/bin/sh\n", "bin/su": b"x", "dev": b"", "proc": "/x", ".wh.gone": b""}
    )
    manifest = json.dumps([{"Config": "c.json", "RepoTags": None, "Layers": ["layer.tar"]}]).encode()
    config = json.dumps({"config": {"User": "0:0"}}).encode()
    return (Sample("archive", data=packed({"manifest.json": manifest, "c.json": config, "layer.tar": layer})),)


TARGETS = (
    Target("facts", documents, parse_facts),
    Target("records", records, judge, few=40),
    Target("images", images, lambda data: parse_image(data, "n")),
    Target("archives", archives, read_archive),
)
