"""Documents: their head and bounds, text that is not UTF-8, and the exit status of wrong usage (base/)."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from served_probe import as_root, read_document, run

from provisioner.errors import UnobservedFact


def test_a_command_prints_a_valid_document(probe: Path) -> None:
    facts = read_document(run(probe, "facts", "n1"), "n1")

    assert facts.view == "inside"
    assert facts.process.uid[0] == os.getuid()
    assert facts.process.namespaces.pid == int(os.readlink("/proc/self/ns/pid")[5:-1])
    assert facts.system is not None
    assert facts.system.canary is None
    assert facts.process.capabilities.bounding == int(
        re.findall(r"CapBnd:\t(\w+)", Path("/proc/self/status").read_text())[0], 16
    )


def test_bytes_that_are_not_utf8_are_escaped(probe: Path, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b'/a\xff\xc0\xaf\x01"\\\xc3\xa4'
    os.mkdir(folder)
    facts = read_document(run(probe, "facts", "n1", cwd=folder), "n1")

    assert facts.process.cwd == f'{tmp_path}/a\\xff\\xc0\\xaf\x01"\\ä'


def test_a_document_is_smaller_than_its_bound(probe: Path) -> None:
    done = run(probe, "facts", "n1")

    assert len(json.dumps(json.loads(done.stdout.split(b"\n", 1)[1]))) < 1 << 20


def test_wrong_usage_exits_with_64(probe: Path) -> None:
    assert run(probe).returncode == 64
    assert run(probe, "nonsense").returncode == 64
    assert run(probe, "facts").returncode == 64
    assert run(probe, "launch", "--nonsense", "--", "true").returncode == 64


@as_root
def test_without_proc_facts_are_unobserved_not_absent(probe: Path) -> None:
    if "PROBE_UNDER_TEST" in os.environ:
        pytest.skip("sanitizers need /proc themselves")
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'umount -l /proc && exec "$0" facts n1']
    done = subprocess.run([*argv, str(probe)], capture_output=True, timeout=300)
    facts = read_document(done, "n1")

    for part, name in (
        (facts.process.namespaces, "pid"),
        (facts.process, "mounts"),
        (facts.process, "fds"),
        (facts, "boot_id"),
        (facts.system, "tasks"),
        (facts.limits, "memory"),
    ):
        with pytest.raises(UnobservedFact):
            getattr(part, name)
    assert facts.process.uid == [0, 0, 0, 0]
    assert facts.process.capabilities.effective > 0
